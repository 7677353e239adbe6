; A boot disk that brings the display into the modes of a script, which stands behind the boot sector's own 512 bytes
; (tests/guest/screen_script.py writes it). The script's steps, each a byte and what it needs:
;   'i' ax bx            int 0x10
;   'o' port byte        a byte to a port
;   'w' port index byte  a byte to an indexed register: the index to the port, the byte to the next one
;   'a' index byte       a register of the attribute controller
;   'v' index word       a register of the Bochs display interface
;   'f' segment count seed   count bytes (0: 65536) of a sequence into memory
;   'c' seed             all colours of the palette by the sequence
;   'm' mark             the mark to port 0xe9, then wait for a key
; Ports, counts, words, segments and seeds are words.

SCRIPT          equ 0x8000
SECTORS         equ 32

        org 0x7c00
        bits 16
start:
        cli
        xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 0x7c00
        sti
        cld
        mov ax, SCRIPT >> 4
        mov es, ax
        xor bx, bx
        mov ax, 0x0200 | SECTORS
        mov cx, 0x0002
        xor dh, dh
        int 0x13
        mov si, SCRIPT
next:
        lodsb
        cmp al, 'i'
        je bios
        cmp al, 'o'
        je port
        cmp al, 'w'
        je indexed
        cmp al, 'a'
        je attribute
        cmp al, 'v'
        je bochs
        cmp al, 'f'
        je fill
        cmp al, 'c'
        je colours
        cmp al, 'm'
        je mark
        cli
.halt:  hlt
        jmp .halt
bios:
        lodsw
        mov cx, ax
        lodsw
        mov bx, ax
        mov ax, cx
        mov cx, 1
        xor dx, dx
        push si
        int 0x10
        pop si
        jmp next
port:
        lodsw
        mov dx, ax
        lodsb
        out dx, al
        jmp next
indexed:
        lodsw
        mov dx, ax
        lodsw
        out dx, ax
        jmp next
attribute:
        mov dx, 0x3da
        in al, dx
        mov dx, 0x3c0
        lodsb
        or al, 0x20
        out dx, al
        lodsb
        out dx, al
        jmp next
bochs:
        mov dx, 0x1ce
        lodsw
        out dx, ax
        inc dx
        lodsw
        out dx, ax
        jmp next
fill:
        lodsw
        mov es, ax
        lodsw
        mov cx, ax
        lodsw
        mov bp, 25173
        xor di, di
.byte:  mul bp
        add ax, 13849
        mov [es:di], ah
        inc di
        loop .byte
        jmp next
colours:
        mov dx, 0x3c8
        xor al, al
        out dx, al
        lodsw
        mov cx, 768
        mov bp, 25173
.level: mul bp
        add ax, 13849
        mov bx, ax
        mov al, ah
        mov dx, 0x3c9
        out dx, al
        mov ax, bx
        loop .level
        jmp next
mark:
        lodsb
        out 0xe9, al
        xor ah, ah
        int 0x16
        jmp next

        times 510 - ($ - $$) db 0
        dw 0xaa55
