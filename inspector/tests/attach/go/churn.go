package main

import (
	"math/rand"
	"net"
	"sync/atomic"
	"time"
)

// churn is connections that come and go, of which nothing is told: so numbers of descriptors, and the runtime's
// memory of them, are used again and again.
type churn struct {
	address net.Addr
	wanted  atomic.Int64
	running atomic.Int64
}

// become lets so many goroutines open and close connections from now on.
func (c *churn) become(count int) error {
	if c.address == nil {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		c.address = listener.Addr()
		go echo(listener)
	}
	c.wanted.Store(int64(count))
	for index := c.running.Load(); index < int64(count); index++ {
		c.running.Add(1)
		go c.work(rand.New(rand.NewSource(index)))
	}
	for c.running.Load() > int64(count) {
		time.Sleep(time.Millisecond)
	}
	return nil
}

// work opens and closes connections until fewer are wanted.
func (c *churn) work(random *rand.Rand) {
	for {
		if running := c.running.Load(); running > c.wanted.Load() {
			if c.running.CompareAndSwap(running, running-1) {
				return
			}
			continue
		}
		c.once(random)
	}
}

func (c *churn) once(random *rand.Rand) {
	conn, err := net.Dial("tcp", c.address.String())
	if err != nil {
		time.Sleep(time.Millisecond)
		return
	}
	defer conn.Close()
	// No port is left behind that waits for its time to pass.
	conn.(*net.TCPConn).SetLinger(0)
	conn.SetDeadline(time.Now().Add(time.Duration(random.Intn(20)+1) * time.Millisecond))
	buffer := make([]byte, 256)
	for i := random.Intn(8); i > 0; i-- {
		if _, err := conn.Write(buffer[:random.Intn(255)+1]); err != nil {
			return
		}
		if _, err := conn.Read(buffer); err != nil {
			return
		}
	}
}

func echo(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		go func() {
			defer conn.Close()
			buffer := make([]byte, 256)
			for {
				count, err := conn.Read(buffer)
				if err != nil {
					return
				}
				if _, err := conn.Write(buffer[:count]); err != nil {
					return
				}
			}
		}()
	}
}
