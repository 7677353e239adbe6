; A guest for comparisons: a boot disk that stands still (interrupts off) until an NMI comes, then changes what is known
; and stands still again. Each time it writes a mark to port 0xe9, '1' or '2', as the last thing it does.
;
; Between the marks change:
;   memory     every second page from PAGES on: the first FROM_ZERO get their number, the next TO_ZERO become zero, the
;              next OTHERS get another number; and the pages of the stack and of BUFFER.
;   registers  EAX (the mark), EBX, ESI and EIP.
;   disk       the sectors in `sectors`, which are written both times, so that the disk's own registers end alike.

PAGES           equ 0x1000000
STRIDE          equ 0x2000
FROM_ZERO       equ 300
TO_ZERO         equ 300
OTHERS          equ 400
STACK           equ 0x9000
IDT             equ 0x6000
BUFFER          equ 0x5000              ; what is written to the disk
MASK            equ 0x5a5a5a00

        org 0x7c00
        bits 16
start:
        cli
        jmp 0:begin
begin:
        xor ax, ax
        mov ds, ax
        lgdt [gdt_pointer]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp 8:protected

        bits 32
protected:
        mov ax, 16
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov esp, STACK
        cld
        mov dword [IDT + 2 * 8], 8 << 16 | (on_nmi - start + 0x7c00)
        mov dword [IDT + 2 * 8 + 4], 0x8e00
        lidt [idt_pointer]
        mov dword [0xfee000f0], 0x1ff   ; the local APIC on
        mov dword [0xfee00360], 0x400   ; LINT1 is the NMI
        mov al, 0x30                    ; the timer chip's channel 0 ends, so that IRQ 0 stays as it is
        out 0x43, al
        mov al, 1
        out 0x40, al
        xor eax, eax
        out 0x40, al
.timer: mov al, 0x0a
        out 0x20, al
        in al, 0x20
        test al, 1
        jz .timer
        mov dx, 0x3f6                   ; the disk asks for no interrupts
        mov al, 2
        out dx, al
        mov edi, PAGES + FROM_ZERO * STRIDE
        mov ecx, TO_ZERO + OTHERS
.fill:  mov [edi], ecx
        add edi, STRIDE
        loop .fill
        mov al, '1'
        call write_disk
        mov eax, MASK | '1'
        mov ebx, 0x11111111
        mov ecx, 0x22222222
        mov edx, 0x33333333
        mov esi, 0x44444444
        mov edi, 0x55555555
        mov ebp, 0x66666666
        jmp stand

on_nmi:
        pushad
        mov edi, PAGES
        mov ecx, FROM_ZERO
.set:   mov [edi + 8], ecx
        add edi, STRIDE
        loop .set
        mov ecx, TO_ZERO
.clear: mov dword [edi], 0
        add edi, STRIDE
        loop .clear
        mov ecx, OTHERS
.other: not dword [edi]
        add edi, STRIDE
        loop .other
        mov al, '2'
        call write_disk
        popad
        mov eax, MASK | '2'
        mov ebx, 0x77777777
        mov esi, 0x88888888
        mov dword [esp], stand_again - start + 0x7c00
        iret

stand:  out 0xe9, al
        jmp $
stand_again:
        out 0xe9, al
        jmp $

; Fills each of the sectors with AL.
write_disk:
        mov edi, BUFFER
        mov ecx, 512
        rep stosb
        mov ebx, sectors - start + 0x7c00
.next:  movzx ecx, word [ebx]
        jecxz .done
        mov dx, 0x1f2
        mov al, 1
        out dx, al
        inc edx
        mov al, cl
        out dx, al
        inc edx
        mov al, ch
        out dx, al
        inc edx
        xor eax, eax
        out dx, al
        inc edx
        mov al, 0xe0
        out dx, al
        inc edx
        mov al, 0x30                    ; WRITE SECTORS
        out dx, al
.ready: in al, dx
        and al, 0x88
        cmp al, 8                       ; not busy, wants data
        jne .ready
        mov dx, 0x1f0
        mov esi, BUFFER
        mov ecx, 256
        rep outsw
        mov dx, 0x1f7
.busy:  in al, dx
        test al, 0x80
        jnz .busy
        add ebx, 2
        jmp .next
.done:  ret

        align 4
sectors:        dw 200, 1000, 5000, 5001, 20000, 0
gdt:            dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:    dw $ - gdt - 1
                dd gdt
idt_pointer:    dw 3 * 8 - 1
                dd IDT
        times 510 - ($ - $$) db 0
        dw 0xaa55
