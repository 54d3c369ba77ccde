package main

import (
	"bufio"
	"io"
	"net"
)

// Places are the lines at which goroutines wait. Some are in functions of which little is left in a built program.
// Each but the inlined ones notes where it is, by waiter.next in the line before.

type reading func(w *waiter, from stream, into []byte) error

type writing func(w *waiter, to stream, bytes []byte) error

type accepting func(w *waiter, at *net.TCPListener) error

var readPlaces = map[string]reading{
	"plain":     readPlain,
	"other":     readOther,
	"method":    (*waiter).read,
	"generic":   readGeneric[stream],
	"deep":      func(w *waiter, from stream, into []byte) error { return readDeep(w, from, into, 40) },
	"buffered":  readBuffered,
	"full":      readFull,
	"inlined":   readInlined,
	"deferred":  readDeferred,
	"loop":      readLoop,
	"panicked":  func(w *waiter, from stream, into []byte) error { return readAfter(w, from, into, fail) },
	"failed":    func(w *waiter, from stream, into []byte) error { return readAfter(w, from, into, failAtOnce) },
	"interface": func(w *waiter, from stream, into []byte) error { return readInterface(w, from, into) },
	"closure": func(w *waiter, from stream, into []byte) error {
		w.next()
		_, err := from.Read(into)
		return err
	},
}

var writePlaces = map[string]writing{
	"plain":    writePlain,
	"other":    writeOther,
	"method":   (*waiter).write,
	"generic":  writeGeneric[stream],
	"buffered": writeBuffered,
	"copy":     writeCopy,
	"inlined":  writeInlined,
	"closure": func(w *waiter, to stream, bytes []byte) error {
		w.next()
		_, err := to.Write(bytes)
		return err
	},
}

var acceptPlaces = map[string]accepting{
	"plain":   acceptPlain,
	"method":  (*waiter).accept,
	"inlined": acceptInlined,
	"closure": func(w *waiter, at *net.TCPListener) error {
		w.next()
		conn, err := at.Accept()
		return closeIt(conn, err)
	},
}

// places is the answer to "places".
func places() map[string][]string {
	all := map[string][]string{}
	for name := range readPlaces {
		all["read"] = append(all["read"], name)
	}
	for name := range writePlaces {
		all["write"] = append(all["write"], name)
	}
	for name := range acceptPlaces {
		all["accept"] = append(all["accept"], name)
	}
	return all
}

func readPlain(w *waiter, from stream, into []byte) error {
	w.next()
	_, err := from.Read(into)
	return err
}

func readOther(w *waiter, from stream, into []byte) error {
	for {
		w.next()
		if count, err := from.Read(into); count > 0 || err != nil {
			return err
		}
	}
}

// readLoop waits at one line again and again, with the same on its stack, as long as it is told to.
//
//go:noinline
func readLoop(w *waiter, from stream, into []byte) error {
	for {
		w.next()
		_, err := from.Read(into)
		if !w.again.Load() {
			return err
		}
	}
}

func (w *waiter) read(from stream, into []byte) error {
	w.next()
	_, err := from.Read(into)
	return err
}

func readGeneric[S io.Reader](w *waiter, from stream, into []byte) error {
	var reader any = from
	source := reader.(S)
	w.next()
	_, err := source.Read(into)
	return err
}

//go:noinline
func readDeep(w *waiter, from stream, into []byte, depth int) error {
	if depth > 0 {
		return readDeep(w, from, into, depth-1)
	}
	w.next()
	_, err := from.Read(into)
	return err
}

func readBuffered(w *waiter, from stream, _ []byte) error {
	reader := bufio.NewReader(from)
	w.next()
	_, err := reader.ReadByte()
	return err
}

func readFull(w *waiter, from stream, into []byte) error {
	w.next()
	_, err := io.ReadFull(from, into[:1])
	return err
}

func readInlined(w *waiter, from stream, into []byte) error {
	_, err := inlinedRead(from, into)
	return err
}

func inlinedRead(from io.Reader, into []byte) (int, error) {
	return from.Read(into)
}

func readDeferred(w *waiter, from stream, into []byte) (err error) {
	defer func() {
		w.next()
		_, err = from.Read(into)
	}()
	return nil
}

// readAfter waits in a function that runs because something has failed.
func readAfter(w *waiter, from stream, into []byte, fails func(*waiter)) (err error) {
	defer func() {
		recover()
		w.next()
		_, err = from.Read(into)
	}()
	fails(nil)
	return nil
}

//go:noinline
func fail(nobody *waiter) {
	this()
	nobody.goroutine = 1
}

// failAtOnce has nothing on the stack, and on some processors not even where it returns to.
//
//go:noinline
func failAtOnce(nobody *waiter) {
	nobody.goroutine = 1
}

//go:noinline
func readInterface(w *waiter, from io.Reader, into []byte) error {
	w.next()
	_, err := from.Read(into)
	return err
}

func writePlain(w *waiter, to stream, bytes []byte) error {
	w.next()
	_, err := to.Write(bytes)
	return err
}

func writeOther(w *waiter, to stream, bytes []byte) error {
	for len(bytes) > 0 {
		w.next()
		count, err := to.Write(bytes)
		if err != nil {
			return err
		}
		bytes = bytes[count:]
	}
	return nil
}

func (w *waiter) write(to stream, bytes []byte) error {
	w.next()
	_, err := to.Write(bytes)
	return err
}

func writeGeneric[S io.Writer](w *waiter, to stream, bytes []byte) error {
	var writer any = to
	sink := writer.(S)
	w.next()
	_, err := sink.Write(bytes)
	return err
}

func writeBuffered(w *waiter, to stream, bytes []byte) error {
	writer := bufio.NewWriterSize(to, len(bytes)+1)
	if _, err := writer.Write(bytes); err != nil {
		return err
	}
	w.next()
	return writer.Flush()
}

// onlyReader hides that bytes could be written at once.
type onlyReader struct{ io.Reader }

func writeCopy(w *waiter, to stream, bytes []byte) error {
	endless := onlyReader{zeros{}}
	w.next()
	_, err := io.CopyBuffer(to, io.LimitReader(endless, int64(len(bytes))), bytes)
	return err
}

type zeros struct{}

func (zeros) Read(into []byte) (int, error) { return len(into), nil }

func writeInlined(w *waiter, to stream, bytes []byte) error {
	_, err := inlinedWrite(to, bytes)
	return err
}

func inlinedWrite(to io.Writer, bytes []byte) (int, error) {
	return to.Write(bytes)
}

func acceptPlain(w *waiter, at *net.TCPListener) error {
	w.next()
	conn, err := at.Accept()
	return closeIt(conn, err)
}

func (w *waiter) accept(at *net.TCPListener) error {
	w.next()
	conn, err := at.AcceptTCP()
	return closeIt(conn, err)
}

func acceptInlined(w *waiter, at *net.TCPListener) error {
	conn, err := inlinedAccept(at)
	return closeIt(conn, err)
}

func inlinedAccept(at net.Listener) (net.Conn, error) {
	return at.Accept()
}

func closeIt(conn io.Closer, err error) error {
	if err == nil {
		conn.Close()
	}
	return err
}
