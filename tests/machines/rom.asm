; The last 256 bytes of a 64 KiB firmware that holds worker.asm at its start: for machines whose own firmware boots no
; disk (microvm). Puts the worker where a BIOS would, and goes on after its boot sector.

        bits 16
        org 0xff00
start:
        cli
        cld
        xor ax, ax
        mov es, ax
        mov bx, cs
        mov ds, bx
        xor si, si
        mov di, 0x7c00
        mov cx, 5 * 512
        rep movsb
        mov ds, ax
        mov ss, ax
        mov sp, 0x7c00
        jmp 0:0x7e00
        times 0xf0 - ($ - $$) db 0
        jmp 0xf000:start                ; the reset vector
        times 0x100 - ($ - $$) db 0
