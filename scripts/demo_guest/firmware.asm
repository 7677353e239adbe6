; A firmware of 64 KiB for QEMU's pc machine, in place of a BIOS, so that the demo image holds nothing but our own
; bytes: it gives every PCI device its addresses, loads the guest program from the first IDE disk and runs it.

%include "layout.inc"

        org 0xf0000
        bits 16
first:
start:
        cli
        o32 lgdt [cs:gdt_pointer - first]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword 0x08:protected

        bits 32
protected:
        mov eax, 0x10
        mov ds, eax
        mov es, eax
        mov ss, eax
        mov esp, STACK
        cld
        mov dword [BOOT_LFB], 0
        mov dword [io_next], 0xc000
        mov dword [mem_next], 0xe0000000
        call pci_setup
        xor ebx, ebx
        mov ecx, PROGRAM_SECTORS
        mov edi, PROGRAM
        call ata_read
        cmp dword [PROGRAM + 4], PROGRAM_MAGIC
        jne failed
        jmp PROGRAM

failed:
        mov al, '!'
        out 0xe9, al
        cli
        hlt
        jmp failed

; Variables in low RAM.
io_next         equ 0x504
mem_next        equ 0x508

; Walk bus 0 and place every base address register.
pci_setup:
        mov ebx, 0x80000000             ; enable | device << 11 | function << 8
.function:
        mov ecx, ebx
        call pci_read
        cmp ax, 0xffff
        je .next
        lea ecx, [ebx + 0x0c]
        call pci_read
        test eax, 0x007f0000            ; only header type 0 has six of them
        jnz .next
        mov esi, 0x10
.bar:
        call pci_place
        add esi, 4
        cmp esi, 0x28
        jb .bar
        lea ecx, [ebx + 0x04]
        call pci_read
        or eax, 7                       ; I/O, memory, bus master
        call pci_write
.next:
        add ebx, 0x100
        cmp ebx, 0x80010000
        jb .function
        ret

; In: ebx = function, esi = register. Skips the upper half of a 64-bit one by advancing esi.
pci_place:
        lea ecx, [ebx + esi]
        or eax, -1
        call pci_write
        call pci_read
        test eax, eax
        jz .done
        test al, 1
        jnz .io
        mov ebp, eax
        and eax, ~15
        neg eax                         ; the size
        mov edx, [mem_next]
        lea edx, [edx + eax - 1]
        mov edi, eax
        neg edi
        and edx, edi                    ; aligned to it
        add eax, edx
        mov [mem_next], eax
        mov eax, edx
        push eax
        call pci_write
        pop edi
        cmp esi, 0x10
        jne .wide
        push ecx
        lea ecx, [ebx + 0x08]
        call pci_read
        pop ecx
        shr eax, 24
        cmp al, 0x03                    ; a display: its first register is the framebuffer
        jne .wide
        mov [BOOT_LFB], edi
.wide:
        and ebp, 6
        cmp ebp, 4
        jne .done
        add esi, 4
        lea ecx, [ebx + esi]
        xor eax, eax
        jmp pci_write
.io:
        and eax, 0xfffc
        neg ax
        movzx eax, ax
        mov edx, [io_next]
        lea edx, [edx + eax - 1]
        mov edi, eax
        neg edi
        and edx, edi
        add eax, edx
        mov [io_next], eax
        mov eax, edx
        jmp pci_write
.done:
        ret

; In: ecx = address. pci_read returns eax, pci_write takes it; both change edx only.
pci_read:
        mov edx, 0xcf8
        mov eax, ecx
        out dx, eax
        mov edx, 0xcfc
        in eax, dx
        ret

pci_write:
        push eax
        mov edx, 0xcf8
        mov eax, ecx
        out dx, eax
        mov edx, 0xcfc
        pop eax
        out dx, eax
        ret

%include "ata.inc"

        align 8
gdt:    dq 0
        dq 0x00cf9b000000ffff
        dq 0x00cf93000000ffff
gdt_pointer:
        dw $ - gdt - 1
        dd gdt

        times 0xfff0 - ($ - first) db 0
        bits 16
        jmp 0xf000:(start - first)    ; the reset vector
        times 0x10000 - ($ - first) db 0
