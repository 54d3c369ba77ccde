package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"sort"
	"strconv"
	"syscall"
	"time"
)

// directions are the sides of a descriptor. Who accepts reads.
var directions = [2]string{"read", "write"}

const (
	reads  = 0
	writes = 1
)

// stream is what a connection and an end of a pipe have in common.
type stream interface {
	io.ReadWriteCloser
	syscall.Conn
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// descriptor is a stable one: it changes by commands alone, but for deadlines that pass.
type descriptor struct {
	// id is never given to another one, as fd is.
	id   int
	kind string
	fd   int
	// only is a list of the directions that it has.
	only []int
	// peer is the other end, if that is a stable one too.
	peer     *descriptor
	stream   stream
	listener *net.TCPListener
	sides    [2]side
}

// side is one direction of a descriptor.
type side struct {
	// waiter is the last one that waited here; it may wait no more.
	waiter   *waiter
	deadline time.Time
}

type service struct {
	churn  churn
	stable map[int]*descriptor
	others []*waiter
	last   int
}

func newService() *service {
	return &service{stable: map[int]*descriptor{}}
}

// opened is the answer to "open".
type opened struct {
	Opened []int `json:"opened"`
}

func (s *service) open(kind string) (any, error) {
	ends, err := open(kind)
	if err != nil {
		return nil, err
	}
	var ids []int
	for _, end := range ends {
		if end.fd, err = number(end); err != nil {
			return nil, err
		}
		s.last++
		end.id, end.kind = s.last, kind
		s.stable[end.id] = end
		ids = append(ids, end.id)
	}
	if len(ends) == 2 {
		ends[0].peer, ends[1].peer = ends[1], ends[0]
	}
	return opened{ids}, nil
}

// open makes descriptors of a kind: one, or both ends.
func open(kind string) ([]*descriptor, error) {
	switch kind {
	case "listener":
		listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		return []*descriptor{{only: []int{reads}, listener: listener}}, err
	case "tcp":
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		return pair(listener, func(conn net.Conn) error {
			// Small buffers, so that a writer soon waits, and for good.
			if err := conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
				return err
			}
			return conn.(*net.TCPConn).SetWriteBuffer(64 << 10)
		})
	case "unix":
		folder, err := os.MkdirTemp("", "truth")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(folder)
		listener, err := net.Listen("unix", folder+"/socket")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		return pair(listener, func(conn net.Conn) error {
			return conn.(*net.UnixConn).SetWriteBuffer(64 << 10)
		})
	case "udp":
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		return []*descriptor{{only: []int{reads}, stream: conn}}, err
	case "pipe":
		reader, writer, err := os.Pipe()
		return []*descriptor{
			{only: []int{reads}, stream: reader},
			{only: []int{writes}, stream: writer},
		}, err
	}
	return nil, fmt.Errorf("no kind of descriptor: %s", kind)
}

// pair connects to a listener, and returns both ends.
func pair(listener net.Listener, prepare func(net.Conn) error) ([]*descriptor, error) {
	near, err := net.Dial(listener.Addr().Network(), listener.Addr().String())
	if err != nil {
		return nil, err
	}
	far, err := listener.Accept()
	if err != nil {
		return nil, err
	}
	var ends []*descriptor
	for _, conn := range []net.Conn{near, far} {
		if err := prepare(conn); err != nil {
			return nil, err
		}
		ends = append(ends, &descriptor{only: []int{reads, writes}, stream: conn.(stream)})
	}
	return ends, nil
}

// number returns what the kernel calls a descriptor.
func number(d *descriptor) (int, error) {
	var source syscall.Conn = d.stream
	if d.listener != nil {
		source = d.listener
	}
	raw, err := source.SyscallConn()
	if err != nil {
		return 0, err
	}
	found := 0
	err = raw.Control(func(fd uintptr) { found = int(fd) })
	return found, err
}

func (s *service) find(id string) (*descriptor, error) {
	number, err := strconv.Atoi(id)
	if err != nil {
		return nil, err
	}
	d := s.stable[number]
	if d == nil {
		return nil, fmt.Errorf("no such descriptor: %s", id)
	}
	return d, nil
}

func (s *service) sorted() []*descriptor {
	var all []*descriptor
	for _, d := range s.stable {
		all = append(all, d)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].id < all[j].id })
	return all
}

// side returns the number of a direction that a descriptor has.
func (d *descriptor) side(name string) (int, error) {
	for _, which := range d.only {
		if directions[which] == name {
			return which, nil
		}
	}
	return 0, fmt.Errorf("no direction of %d: %s", d.id, name)
}

// parked returns who waits there now.
func (d *descriptor) parked(which int) *waiter {
	if waiter := d.sides[which].waiter; waiter != nil && !waiter.isOver() {
		return waiter
	}
	return nil
}

func (d *descriptor) setDeadline(which int, at time.Time) error {
	d.sides[which].deadline = at
	switch {
	case d.listener != nil:
		return d.listener.SetDeadline(at)
	case which == reads:
		return d.stream.SetReadDeadline(at)
	}
	return d.stream.SetWriteDeadline(at)
}

func (d *descriptor) hasPassed(which int) bool {
	deadline := d.sides[which].deadline
	return !deadline.IsZero() && !time.Now().Before(deadline)
}

// park lets a goroutine wait.
func (s *service) park(d *descriptor, which int, place string) error {
	if d.parked(which) != nil {
		return fmt.Errorf("somebody waits there already")
	}
	if d.hasPassed(which) {
		return fmt.Errorf("its deadline has passed")
	}
	if peer := d.peer; peer != nil {
		other := "reads"
		if which == reads {
			other = "writes"
		}
		if peer.parked(1-which) != nil {
			return fmt.Errorf("its peer %s", other)
		}
	}
	// What had come before ends some of the waits at once.
	for start := time.Now(); time.Since(start) < patience; {
		waiter, err := d.start(which, place)
		if err != nil {
			return err
		}
		d.sides[which].waiter = waiter
		if waiter.becomes("IO wait") {
			return nil
		}
		if which == writes || waiter.err != nil {
			break
		}
	}
	return fmt.Errorf("it does not wait: %v", d.sides[which].waiter.err)
}

// start lets a goroutine read, write or accept at a place.
func (d *descriptor) start(which int, place string) (*waiter, error) {
	var run func(*waiter) error
	switch {
	case d.listener != nil:
		if accept := acceptPlaces[place]; accept != nil {
			run = func(w *waiter) error { return accept(w, d.listener) }
		}
	case which == reads:
		if read := readPlaces[place]; read != nil {
			run = func(w *waiter) error { return read(w, d.stream, make([]byte, 4096)) }
		}
	default:
		if write := writePlaces[place]; write != nil {
			// More than fits anywhere.
			run = func(w *waiter) error { return write(w, d.stream, make([]byte, 1<<20)) }
		}
	}
	if run == nil {
		return nil, fmt.Errorf("no place to %s: %s", directions[which], place)
	}
	return begin(place, run), nil
}

// wake ends a wait by a deadline in the past, and then sets the deadline that was there.
func (s *service) wake(d *descriptor, which int) error {
	waiter := d.parked(which)
	if waiter == nil {
		return fmt.Errorf("nobody waits there")
	}
	deadline := d.sides[which].deadline
	if err := d.setDeadline(which, time.Unix(1, 0)); err != nil {
		return err
	}
	if err := waiter.ends(); err != nil {
		return err
	}
	return d.setDeadline(which, deadline)
}

// serve ends a wait by what it waits for.
func (s *service) serve(d *descriptor, which int) error {
	waiter := d.parked(which)
	if waiter == nil {
		return fmt.Errorf("nobody waits there")
	}
	var err error
	switch {
	case d.listener != nil:
		err = touch(d.listener.Addr())
	case which == reads:
		err = s.send(d)
	case d.peer == nil:
		return fmt.Errorf("its other end is closed")
	default:
		err = drain(d.peer, waiter)
	}
	if err != nil {
		return err
	}
	return waiter.ends()
}

// again ends a wait as these commands do, of a goroutine that then waits at the same line.
func (s *service) again(d *descriptor, which int, by string) error {
	waiter := d.parked(which)
	if waiter == nil || waiter.place != "loop" {
		return fmt.Errorf("nobody waits there in a loop")
	}
	if d.hasPassed(which) {
		return fmt.Errorf("its deadline has passed")
	}
	before := waiter.since.Load()
	waiter.again.Store(true)
	defer waiter.again.Store(false)
	switch {
	case by == "wake":
		deadline := d.sides[which].deadline
		if err := d.setDeadline(which, time.Unix(1, 0)); err != nil {
			return err
		}
		if err := waiter.goesOn(before); err != nil {
			return err
		}
		if err := d.setDeadline(which, deadline); err != nil {
			return err
		}
	case by == "serve":
		if err := s.send(d); err != nil {
			return err
		}
		if err := waiter.goesOn(before); err != nil {
			return err
		}
	default:
		return fmt.Errorf("nothing that ends a wait: %s", by)
	}
	if !waiter.becomes("IO wait") {
		return fmt.Errorf("goroutine %d does not wait again", waiter.goroutine)
	}
	return nil
}

// send lets a reader have a byte.
func (s *service) send(d *descriptor) error {
	switch {
	case d.kind == "udp":
		return touch(d.stream.(*net.UDPConn).LocalAddr())
	case d.peer == nil:
		return fmt.Errorf("its other end is closed")
	}
	_, err := d.peer.stream.Write([]byte{0})
	return err
}

// touch sends something there.
func touch(address net.Addr) error {
	conn, err := net.Dial(address.Network(), address.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte{0})
	if address.Network() == "tcp" {
		// It may be closed by then.
		return nil
	}
	return err
}

// drain reads what a writer writes until that is all.
func drain(d *descriptor, writer *waiter) error {
	deadline := d.sides[reads].deadline
	buffer := make([]byte, 64<<10)
	for !writer.isOver() {
		if err := d.setDeadline(reads, time.Now().Add(10*time.Millisecond)); err != nil {
			return err
		}
		if _, err := d.stream.Read(buffer); err != nil && !os.IsTimeout(err) {
			return err
		}
	}
	return d.setDeadline(reads, deadline)
}

// deadline sets one: so many nanoseconds from now, or "none".
func (s *service) deadline(d *descriptor, which int, in string) error {
	if in == "none" {
		return d.setDeadline(which, time.Time{})
	}
	nanoseconds, err := strconv.ParseInt(in, 10, 64)
	if err != nil {
		return err
	}
	if err := d.setDeadline(which, time.Now().Add(time.Duration(nanoseconds))); err != nil {
		return err
	}
	if waiter := d.parked(which); waiter != nil && d.hasPassed(which) {
		return waiter.ends()
	}
	return nil
}

// close closes a descriptor, on which everybody then waits no more.
func (s *service) close(d *descriptor) error {
	delete(s.stable, d.id)
	var ended []*waiter
	for which := range directions {
		if waiter := d.parked(which); waiter != nil {
			ended = append(ended, waiter)
		}
		// The other end sees the end of the stream, or that nobody reads.
		if peer := d.peer; peer != nil && peer.parked(which) != nil {
			ended = append(ended, peer.parked(which))
		}
	}
	if d.peer != nil {
		d.peer.peer = nil
	}
	var err error
	if d.listener != nil {
		err = d.listener.Close()
	} else {
		err = d.stream.Close()
	}
	for _, waiter := range ended {
		if err := waiter.ends(); err != nil {
			return err
		}
	}
	return err
}
