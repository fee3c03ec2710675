# tocsin
