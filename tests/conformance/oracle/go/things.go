package main

import (
	"net"
	"os"
	"syscall"
	"time"
)

// fifo is the path of one.
type fifo string

// addressOf is where a listener or a datagram socket is reached, also after it is closed.
func addressOf(thing any) net.Addr {
	switch x := thing.(type) {
	case net.Listener:
		return x.Addr()
	case net.Conn:
		return x.LocalAddr()
	}
	panic("it has no address")
}

// prepare makes things and gives them their names.
func (c *controller) prepare(words []string) string {
	var made []any
	outcome := c.atOnce(nil, func() (string, any) {
		var err error
		made, err = c.make(words)
		return of(0, err), nil
	})
	names := words[1:]
	switch words[0] {
	case "pair", "listen":
		names = words[2:]
	case "openr", "openw", "openrw":
		names = words[1:2]
	}
	for i, thing := range made {
		if thing != nil {
			c.name(names[i], thing)
		}
	}
	return outcome
}

func (c *controller) make(words []string) ([]any, error) {
	switch words[0] {
	case "pair":
		return c.pair(words[1])
	case "listen":
		l, err := c.listen(words[1])
		return []any{l}, err
	case "udp":
		u, err := listenUDP()
		return []any{u}, err
	case "unixgram":
		u, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: c.path(), Net: "unixgram"})
		return []any{u}, err
	case "pipe":
		r, w, err := os.Pipe()
		return []any{r, w}, err
	case "fifo":
		path := c.path()
		return []any{fifo(path)}, syscall.Mkfifo(path, 0o600)
	case "file":
		f, err := os.Create(c.path())
		return []any{f}, err
	}
	how := map[string]int{"openr": os.O_RDONLY, "openw": os.O_WRONLY, "openrw": os.O_RDWR}[words[0]]
	f, err := os.OpenFile(string(c.things[words[2]].(fifo)), how|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return []any{f}, nil
}

func listenUDP() (*net.UDPConn, error) {
	return net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
}

func (c *controller) listen(kind string) (net.Listener, error) {
	if kind == "tcp" {
		return net.Listen("tcp4", "127.0.0.1:0")
	}
	l, err := net.ListenUnix(kind, &net.UnixAddr{Name: c.path(), Net: kind})
	if err != nil {
		return nil, err
	}
	// The path stays, so that a later dial is refused instead of finding nothing.
	l.SetUnlinkOnClose(false)
	return l, nil
}

func (c *controller) pair(kind string) ([]any, error) {
	switch kind {
	case "udp":
		return pairUDP()
	case "unixgram":
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		var made []any
		for _, fd := range fds {
			f := os.NewFile(uintptr(fd), "socket")
			conn, err := net.FileConn(f)
			f.Close()
			if err != nil {
				return nil, err
			}
			made = append(made, conn)
		}
		return made, nil
	}
	l, err := c.listen(kind)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	a, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		return nil, err
	}
	b, err := l.Accept()
	return []any{a, b}, err
}

// pairUDP connects two bound sockets; net can only bind or connect.
func pairUDP() ([]any, error) {
	a, err := listenUDP()
	if err != nil {
		return nil, err
	}
	b, err := listenUDP()
	if err != nil {
		return nil, err
	}
	connect := func(from, to *net.UDPConn) error {
		address := to.LocalAddr().(*net.UDPAddr)
		raw := &syscall.SockaddrInet4{Port: address.Port, Addr: [4]byte(address.IP.To4())}
		_, err := control(from, func(fd int) (int, error) { return 0, syscall.Connect(fd, raw) })
		return err
	}
	if err := connect(a, b); err != nil {
		return nil, err
	}
	return []any{a, b}, connect(b, a)
}

// dialInternal connects to a listener of its own, or to where there was one.
func dialInternal(dead bool, deadline time.Time) (string, any) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return of(0, err), nil
	}
	if dead {
		l.Close()
	} else {
		defer l.Close()
	}
	dialer := net.Dialer{Deadline: deadline}
	conn, err := dialer.Dial("tcp4", l.Addr().String())
	if err != nil {
		return of(0, err), nil
	}
	return of(0, nil), conn
}

// duplicate is another descriptor for the same open file, with a registration of its own.
func duplicate(thing any) (string, any) {
	if conn, ok := thing.(interface{ File() (*os.File, error) }); ok {
		f, err := conn.File()
		if err != nil {
			return of(0, err), nil
		}
		defer f.Close()
		copied, err := net.FileConn(f)
		if err != nil {
			return of(0, err), nil
		}
		return of(0, nil), copied
	}
	fd, err := control(thing, func(fd int) (int, error) {
		n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 0)
		if errno != 0 {
			return 0, errno
		}
		return int(n), nil
	})
	if err != nil {
		return of(0, err), nil
	}
	return of(0, nil), os.NewFile(uintptr(fd), "dup")
}

// control runs a system call on a thing's descriptor, which is not closed meanwhile.
func control(thing any, call func(fd int) (int, error)) (int, error) {
	raw, err := thing.(syscall.Conn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var n int
	var result error
	if err := raw.Control(func(fd uintptr) { n, result = call(int(fd)) }); err != nil {
		return 0, err
	}
	return n, result
}

func closeThing(thing any) string {
	if x, ok := thing.(interface{ Close() error }); ok {
		return of(0, x.Close())
	}
	return ""
}

func reset(thing any) string {
	if err := thing.(*net.TCPConn).SetLinger(0); err != nil {
		return of(0, err)
	}
	return closeThing(thing)
}

func shutdown(thing any, write bool) string {
	x := thing.(interface {
		CloseRead() error
		CloseWrite() error
	})
	if write {
		return of(0, x.CloseWrite())
	}
	return of(0, x.CloseRead())
}

func setDeadline(thing any, which string, deadline time.Time) string {
	x, ok := thing.(interface {
		SetReadDeadline(time.Time) error
		SetWriteDeadline(time.Time) error
	})
	switch {
	case !ok, which == "dl":
		// A listener has one deadline, which is that of accepting.
		return of(0, thing.(interface{ SetDeadline(time.Time) error }).SetDeadline(deadline))
	case which == "rdl":
		return of(0, x.SetReadDeadline(deadline))
	}
	return of(0, x.SetWriteDeadline(deadline))
}

func setBuffers(thing any, size int) string {
	x := thing.(interface {
		SetReadBuffer(int) error
		SetWriteBuffer(int) error
	})
	if err := x.SetReadBuffer(size); err != nil {
		return of(0, err)
	}
	return of(0, x.SetWriteBuffer(size))
}

func setInline(thing any) string {
	return of(control(thing, func(fd int) (int, error) {
		return 0, syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_OOBINLINE, 1)
	}))
}
