package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// call is an operation that may block, with the names of what it makes; nil if its thing is missing.
func (c *controller) call(lane string, words []string) ([]string, func() (string, any)) {
	on, ok := c.things[words[1]]
	if words[0] == "dial" {
		on, ok = c.things[words[2]]
	}
	if !ok {
		return nil, nil
	}
	plain := func(operation func() (int, error)) func() (string, any) {
		return func() (string, any) { return of(operation()), nil }
	}
	switch words[0] {
	case "read":
		buf := make([]byte, number(words[2]))
		return nil, plain(func() (int, error) { return on.(io.Reader).Read(buf) })
	case "write":
		buf := make([]byte, number(words[2]))
		return nil, plain(func() (int, error) { return on.(io.Writer).Write(buf) })
	case "readv":
		sizes := numbers(words[2])
		return nil, plain(func() (int, error) { return readv(on, sizes) })
	case "writev":
		var bufs net.Buffers
		for _, size := range numbers(words[2]) {
			bufs = append(bufs, make([]byte, size))
		}
		return nil, plain(func() (int, error) {
			n, err := bufs.WriteTo(on.(io.Writer))
			return int(n), err
		})
	case "recvfrom":
		buf := make([]byte, number(words[2]))
		return nil, plain(func() (int, error) {
			n, _, err := on.(net.PacketConn).ReadFrom(buf)
			return n, err
		})
	case "sendto":
		to, ok := c.things[words[2]]
		if !ok {
			return nil, nil
		}
		buf := make([]byte, number(words[3]))
		return nil, plain(func() (int, error) { return on.(net.PacketConn).WriteTo(buf, addressOf(to)) })
	case "accept":
		names := []string{words[1] + ".acc"}
		if lane != "" {
			names = append(names, lane+".acc")
		}
		return names, func() (string, any) {
			conn, err := on.(net.Listener).Accept()
			if err != nil {
				return of(0, err), nil
			}
			return of(0, nil), conn
		}
	case "dial":
		address := addressOf(on)
		return []string{words[1]}, func() (string, any) {
			conn, err := net.Dial(address.Network(), address.String())
			if err != nil {
				return of(0, err), nil
			}
			return of(0, nil), conn
		}
	case "oob":
		return nil, plain(func() (int, error) {
			return control(on, func(fd int) (int, error) {
				return syscall.SendmsgN(fd, []byte{0}, nil, nil, syscall.MSG_OOB|syscall.MSG_NOSIGNAL)
			})
		})
	case "readoob":
		return nil, plain(func() (int, error) {
			return control(on, func(fd int) (int, error) {
				n, _, err := syscall.Recvfrom(fd, make([]byte, 1), syscall.MSG_OOB)
				return max(n, 0), err
			})
		})
	}
	panic("no word of the language: " + words[0])
}

// readv is readv(2) with the waiting of a Read; the library has no such call.
func readv(on any, sizes []int) (int, error) {
	var vectors []syscall.Iovec
	room := 0
	for _, size := range sizes {
		buf := make([]byte, max(size, 1))
		vector := syscall.Iovec{Base: &buf[0]}
		vector.SetLen(size)
		vectors = append(vectors, vector)
		room += size
	}
	if room == 0 {
		return on.(io.Reader).Read(nil)
	}
	raw, err := on.(syscall.Conn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var n uintptr
	var errno syscall.Errno
	err = raw.Read(func(fd uintptr) bool {
		n, _, errno = syscall.Syscall(syscall.SYS_READV, fd, uintptr(unsafe.Pointer(&vectors[0])), uintptr(len(vectors)))
		return errno != syscall.EAGAIN
	})
	switch {
	case err != nil:
		return 0, err
	case errno != 0:
		return 0, errno
	case n == 0:
		return 0, io.EOF
	}
	return int(n), nil
}

// of puts the end of an operation into the words of the goldens.
func of(n int, err error) string {
	return fmt.Sprintf("%s n=%d", word(err), n)
}

func word(err error) string {
	var errno syscall.Errno
	var timeout net.Error
	switch {
	case err == nil:
		return "OK"
	case err == io.EOF:
		return "EOF"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "TIMEOUT"
	case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrClosed), err.Error() == "use of closed file":
		return "CLOSED"
	case errors.Is(err, os.ErrNoDeadline):
		return "NODEADLINE"
	case errors.As(err, &errno):
		if name, ok := names[errno]; ok {
			return name
		}
		return fmt.Sprintf("ERRNO%d", int(errno))
	case errors.As(err, &timeout) && timeout.Timeout():
		return "TIMEOUT*"
	}
	var wrapped interface{ Unwrap() error }
	if errors.As(err, &wrapped) && wrapped.Unwrap().Error() == "not pollable" {
		return "NOTPOLLABLE"
	}
	return "ERROR[" + err.Error() + "]"
}

// names are those of errno(3).
var names = map[syscall.Errno]string{
	syscall.EPERM:         "EPERM",
	syscall.ENOENT:        "ENOENT",
	syscall.EINTR:         "EINTR",
	syscall.EIO:           "EIO",
	syscall.ENXIO:         "ENXIO",
	syscall.EBADF:         "EBADF",
	syscall.EAGAIN:        "EAGAIN",
	syscall.ENOMEM:        "ENOMEM",
	syscall.EACCES:        "EACCES",
	syscall.EBUSY:         "EBUSY",
	syscall.EEXIST:        "EEXIST",
	syscall.EINVAL:        "EINVAL",
	syscall.ENFILE:        "ENFILE",
	syscall.EMFILE:        "EMFILE",
	syscall.ENOTTY:        "ENOTTY",
	syscall.EFBIG:         "EFBIG",
	syscall.ENOSPC:        "ENOSPC",
	syscall.ESPIPE:        "ESPIPE",
	syscall.EPIPE:         "EPIPE",
	syscall.ENOTSOCK:      "ENOTSOCK",
	syscall.EDESTADDRREQ:  "EDESTADDRREQ",
	syscall.EMSGSIZE:      "EMSGSIZE",
	syscall.EPROTOTYPE:    "EPROTOTYPE",
	syscall.ENOPROTOOPT:   "ENOPROTOOPT",
	syscall.EOPNOTSUPP:    "EOPNOTSUPP",
	syscall.EADDRINUSE:    "EADDRINUSE",
	syscall.EADDRNOTAVAIL: "EADDRNOTAVAIL",
	syscall.ENETDOWN:      "ENETDOWN",
	syscall.ENETUNREACH:   "ENETUNREACH",
	syscall.ECONNABORTED:  "ECONNABORTED",
	syscall.ECONNRESET:    "ECONNRESET",
	syscall.ENOBUFS:       "ENOBUFS",
	syscall.EISCONN:       "EISCONN",
	syscall.ENOTCONN:      "ENOTCONN",
	syscall.ESHUTDOWN:     "ESHUTDOWN",
	syscall.ETIMEDOUT:     "ETIMEDOUT",
	syscall.ECONNREFUSED:  "ECONNREFUSED",
	syscall.EHOSTUNREACH:  "EHOSTUNREACH",
	syscall.EALREADY:      "EALREADY",
	syscall.EINPROGRESS:   "EINPROGRESS",
}
