; The demo's guest: draws the Mandelbrot set row by row, counts what it does at a known place in memory (COUNTERS),
; keeps a text log (LOG) and saves its counters and the picture to its disk. It says where it is by single letters on
; port 0xe9: B booted, D drawing (a quarter), H half-way, F finished; '!' for anything unexpected.

%include "layout.inc"

        org PROGRAM
        bits 32
begin:
        jmp short main
        times 4 - ($ - begin) nop
        dd PROGRAM_MAGIC

struc counters
        .label:         resb 48         ; says what this is
        .row:           resd 1          ; rows drawn
        .rows:          resd 1          ; rows in all
        .ticks:         resd 1          ; of the 100 Hz timer
        .writes:        resd 1          ; sectors written to the disk
        .iterations:    resq 1          ; of z = z * z + c
        .state:         resd 1          ; 0 booted, 1 drawing, 2 finished
        .log_end:       resd 1          ; where the next line of the log goes
endstruc

%define counter(name) dword [COUNTERS + counters. %+ name]

main:
        mov esp, STACK
        call system_setup
        call memory_setup
        call video_setup
        call draw_frame
        call save_counters
        sti
        mov al, 'B'
        out 0xe9, al
        mov ecx, 100
        call wait_ticks
        mov counter(state), 1
        call draw_state
.row:
        call fractal_row
        call show_row
        inc counter(row)
        mov eax, counter(row)
        test al, 7
        jnz .drawn
        call save_rows
        call log_rows
        call draw_status
        mov eax, counter(row)
.drawn:
        mov bl, 'D'
        cmp eax, ROWS / 4
        je .mark
        mov bl, 'H'
        cmp eax, ROWS / 2
        jne .go_on
.mark:
        mov al, bl
        out 0xe9, al
.go_on:
        cmp counter(row), ROWS
        jb .row
        mov counter(state), 2
        call draw_state
        call draw_status
        call save_counters
        mov ecx, 100
        call wait_ticks
        call draw_status
        mov al, 'F'
        out 0xe9, al
.idle:
        mov ecx, 100
        call wait_ticks
        call draw_status
        call save_counters
        jmp .idle

; In: ecx = ticks to wait, halted.
wait_ticks:
        add ecx, counter(ticks)
.wait:
        hlt
        cmp counter(ticks), ecx
        jb .wait
        ret

memory_setup:
        mov edi, COUNTERS
        mov esi, label_text
        mov ecx, 48
        rep movsb
        mov ecx, 10
        xor eax, eax
        rep stosd
        mov counter(rows), ROWS
        mov counter(log_end), LOG
        mov edi, NOISE                  ; xorshift32
        mov ecx, 0x10000 / 4
        mov eax, 0x2545f491
.noise:
        mov edx, eax
        shl edx, 13
        xor eax, edx
        mov edx, eax
        shr edx, 17
        xor eax, edx
        mov edx, eax
        shl edx, 5
        xor eax, edx
        stosd
        loop .noise
        ret

save_counters:
        inc counter(writes)
        mov ebx, COUNTER_SECTOR
        mov ecx, 1
        mov esi, COUNTERS
        jmp ata_write

; Save the last eight rows: ten sectors.
save_rows:
        add counter(writes), 10
        mov eax, counter(row)
        sub eax, 8
        imul esi, eax, WIDTH
        shr eax, 3
        imul ebx, eax, 10
        add ebx, PICTURE_SECTOR
        add esi, PICTURE
        mov ecx, 10
        call ata_write
        jmp save_counters

; Append a line to the log.
log_rows:
        mov edi, log_line.row
        mov eax, counter(row)
        mov ecx, 3
        call put_decimal
        mov edi, log_line.tick
        mov eax, counter(ticks)
        mov ecx, 6
        call put_decimal
        mov edi, log_line.writes
        mov eax, counter(writes)
        mov ecx, 4
        call put_decimal
        mov edi, log_line.iterations
        mov eax, [COUNTERS + counters.iterations]
        mov ecx, 9
        call put_decimal
        mov esi, log_line
        mov edi, counter(log_end)
        mov ecx, log_line.end - log_line
        rep movsb
        mov counter(log_end), edi
        ret

; Write eax in ecx digits at edi. Changes eax, ecx, edx.
put_decimal:
        push ebx
        mov ebx, 10
.digit:
        xor edx, edx
        div ebx
        add dl, '0'
        mov [edi + ecx - 1], dl
        loop .digit
        pop ebx
        ret

label_text:
        db "VMSNAP DEMO GUEST: its counters follow at +48.", 0, 0
log_line:
        db "row "
.row:   db "000 of 384 drawn at tick "
.tick:  db "000000, "
.writes: db "0000 sectors written, "
.iterations: db "000000000 iterations", 10
.end:

%include "system.inc"
%include "ata.inc"
%include "fractal.inc"
%include "video.inc"
%include "font.inc"

        times PROGRAM_SECTORS * 512 - ($ - begin) db 0
