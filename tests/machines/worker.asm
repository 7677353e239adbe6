; A guest for tests: a boot disk that leaves as much as possible in the processors, different everywhere, and fills
; some RAM. The first processor goes to 64-bit mode and writes R to port 0xe9 when all is set, then counts; the others
; are started, write A once and count in 16-bit mode.

LOAD            equ 0x7c00
SECTORS         equ 5
AP_CODE         equ 0x8000              ; a page boundary: the start-up interrupt names a page
TABLES          equ 0x70000
DESCRIPTORS     equ 0x60000             ; GDT, then LDT, TSS, IDT
PATTERN         equ 0x200000            ; 1 MiB, every page different
FILLED          equ 0x300000            ; 64 KiB of 0xa5
NOISE           equ 0x400000            ; 256 KiB

        org LOAD
        bits 16
start:
        jmp 0:begin
begin:
        cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, LOAD
        mov ah, 2                       ; the rest of this program, by cylinder, head and sector
        mov al, SECTORS - 1
        mov cx, 2
        mov dh, 0
        mov bx, LOAD + 512
        int 0x13
        jc $
        jmp main
        times 510 - ($ - $$) db 0
        dw 0xaa55

main:
        lgdt [boot_gdt_pointer]
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
        mov esp, LOAD
        cld
        mov dword [0xfee000f0], 0x1ff           ; the local APIC on
        mov dword [0xfee00300], 0x000c4500      ; INIT to all others
        mov dword [0xfee00300], 0x000c4600 | AP_CODE >> 12
        mov edi, TABLES                         ; 1 GiB at its own address, pages of 2 MiB
        xor eax, eax
        mov ecx, 3 * 1024
        rep stosd
        mov dword [TABLES], TABLES + 0x1003
        mov dword [TABLES + 0x1000], TABLES + 0x2003
        mov edi, TABLES + 0x2000
        mov eax, 0x83
        mov ecx, 512
.page:
        mov [edi], eax
        add eax, 0x200000
        add edi, 8
        loop .page
        mov eax, 1 << 5 | 1 << 9 | 1 << 10      ; PAE, SSE
        mov cr4, eax
        mov eax, TABLES
        mov cr3, eax
        mov ecx, 0xc0000080
        mov eax, 1 | 1 << 8 | 1 << 11           ; SYSCALL, long mode, no-execute
        xor edx, edx
        wrmsr
        mov eax, cr0
        and eax, ~(1 << 2)
        or eax, 1 << 31 | 1 << 16 | 1 << 5 | 1 << 1
        mov cr0, eax
        jmp 24:long_mode

        times AP_CODE - LOAD - ($ - $$) db 0
        bits 16
other_processor:
        mov ax, 0x1234
        mov ds, ax
        mov ax, 0x2345
        mov es, ax
        mov ax, 0x3456
        mov fs, ax
        mov edx, 0xdeadbeef
        mov esi, 0x01234567
        mov edi, 0x89abcdef
        mov ebp, 0xfedcba98
        mov al, 'A'
        out 0xe9, al
        stc
.count:
        inc ecx
        jmp .count

        bits 64
long_mode:
        xor eax, eax                            ; descriptor tables of our own
        mov edi, DESCRIPTORS
        mov ecx, 0x1000 / 8
        rep stosq
        mov esi, own_gdt
        mov edi, DESCRIPTORS
        mov ecx, own_gdt_end - own_gdt
        rep movsb
        lgdt [own_gdt_pointer]
        lidt [own_idt_pointer]
        mov ax, 0x20
        lldt ax
        mov ax, 0x30
        ltr ax
        mov ax, 0x13
        mov ds, ax
        mov es, ax
        mov fs, ax
        mov gs, ax
        call fill_memory
        call set_msrs
        mov rax, 0x1111222233334440
        mov dr0, rax
        add rax, 0x100
        mov dr1, rax
        add rax, 0x100
        mov dr2, rax
        add rax, 0x100
        mov dr3, rax
        call set_floating_point
        call set_general
        out 0xe9, al                            ; R
        std
        stc
.count:
        inc qword [PATTERN]
        lea rcx, [rcx + 1]
        jmp .count

fill_memory:
        mov edi, PATTERN                        ; each 8 bytes are their own address
        mov ecx, 0x100000 / 8
.pattern:
        mov rax, rdi
        stosq
        loop .pattern
        mov edi, FILLED
        mov al, 0xa5
        mov ecx, 0x10000
        rep stosb
        mov edi, NOISE                          ; xorshift64
        mov ecx, 0x40000 / 8
        mov rax, 0x9e3779b97f4a7c15
.noise:
        mov rdx, rax
        shl rdx, 13
        xor rax, rdx
        mov rdx, rax
        shr rdx, 7
        xor rax, rdx
        mov rdx, rax
        shl rdx, 17
        xor rax, rdx
        stosq
        loop .noise
        ret

set_msrs:
        mov esi, msrs
.next:
        mov ecx, [rsi]
        mov eax, [rsi + 4]
        mov edx, [rsi + 8]
        wrmsr
        add esi, 12
        cmp esi, msrs_end
        jb .next
        ret

set_floating_point:
        fninit
        fldcw [control_word]
        fldpi
        fldl2e
        fldlg2
        fldln2
        fld1
        fchs
        mov esi, NOISE
        movdqu xmm0, [rsi]
        movdqu xmm1, [rsi + 16]
        movdqu xmm2, [rsi + 32]
        movdqu xmm3, [rsi + 48]
        movdqu xmm4, [rsi + 64]
        movdqu xmm5, [rsi + 80]
        movdqu xmm6, [rsi + 96]
        movdqu xmm7, [rsi + 112]
        movdqu xmm8, [rsi + 128]
        movdqu xmm9, [rsi + 144]
        movdqu xmm10, [rsi + 160]
        movdqu xmm11, [rsi + 176]
        movdqu xmm12, [rsi + 192]
        movdqu xmm13, [rsi + 208]
        movdqu xmm14, [rsi + 224]
        movdqu xmm15, [rsi + 240]
        ldmxcsr [media_control]
        ret

set_general:
        mov rbx, 0x0123456789abcdef
        mov rcx, 0x1000000000000001
        mov rdx, 0xfedcba9876543210
        mov rsi, 0x7fffffffffffffff
        mov rdi, 0x8000000000000000
        mov rbp, 0x5555aaaa5555aaaa
        mov r8, 0x0808080808080808
        mov r9, 0x0909090909090909
        mov r10, 0x1010101010101010
        mov r11, 0x1111111111111111
        mov r12, 0x1212121212121212
        mov r13, 0x1313131313131313
        mov r14, 0x1414141414141414
        mov r15, 0x1515151515151515
        mov rax, 0xaaaaaaaaaaaaaa00 | 'R'
        ret

        align 8
boot_gdt:
        dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
boot_gdt_pointer:
        dw $ - boot_gdt - 1
        dd boot_gdt

        align 8
own_gdt:
        dq 0, 0x00cf9b000000ffff, 0x00cff3000000ffff, 0x00af9b000000ffff
        dq 0x00008206020007ff, 0                ; LDT at DESCRIPTORS + 0x200
        dq 0x0000890608000067, 0                ; TSS at DESCRIPTORS + 0x800
own_gdt_end:
own_gdt_pointer:
        dw own_gdt_end - own_gdt - 1
        dq DESCRIPTORS
own_idt_pointer:
        dw 0x1ff
        dq DESCRIPTORS + 0xe00

; number, low and high half
msrs:   dd 0x174, 0x00000008, 0                 ; SYSENTER_CS, _ESP, _EIP
        dd 0x175, 0x11223344, 0x00000055
        dd 0x176, 0x66778899, 0x000000aa
        dd 0xc0000081, 0x00000000, 0x00180008   ; STAR, LSTAR, CSTAR, SFMASK
        dd 0xc0000082, 0x12345678, 0x00007fff
        dd 0xc0000083, 0x87654321, 0x00007ffe
        dd 0xc0000084, 0x00047700, 0
        dd 0xc0000100, 0x0badcafe, 0x00000123   ; FS, GS, KERNEL_GS
        dd 0xc0000101, 0x00c0ffee, 0x00000456
        dd 0xc0000102, 0xfeedface, 0x00000789
msrs_end:
control_word:   dw 0x0f7f                       ; round toward zero
media_control:  dd 0x7f80

        times SECTORS * 512 - ($ - $$) db 0
