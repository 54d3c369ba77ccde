// A shop, which asks its ledger for the price of each order. An ordinary service: nothing in it
// knows of netpoller.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
)

// ledger answers each line that comes on a connection with a price.
type ledger struct {
	books sync.Mutex
}

func (l *ledger) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go l.answer(conn)
	}
}

func (l *ledger) answer(conn net.Conn) {
	defer conn.Close()
	l.books.Lock()
	defer l.books.Unlock()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		fmt.Fprintln(conn, 42)
	}
}

// ask asks the ledger, on a connection that the caller closes.
func ask(ledger, what string) (net.Conn, string, error) {
	conn, err := net.Dial("tcp", ledger)
	if err != nil {
		return nil, "", err
	}
	if _, err := fmt.Fprintln(conn, what); err != nil {
		return conn, "", err
	}
	price, err := bufio.NewReader(conn).ReadString('\n')
	return conn, price, err
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

func main() {
	books, shop := listen(), listen()
	// The connections of all audits.
	var audits sync.Map
	go new(ledger).serve(books)
	http.HandleFunc("/order", func(w http.ResponseWriter, _ *http.Request) {
		conn, price, err := ask(books.Addr().String(), "order")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		conn.Close()
		fmt.Fprint(w, price)
	})
	http.HandleFunc("/audit", func(w http.ResponseWriter, _ *http.Request) {
		conn, price, err := ask(books.Addr().String(), "audit")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		audits.Store(conn, price)
		fmt.Fprint(w, price)
	})
	fmt.Printf("http://%s\n", shop.Addr())
	log.Fatal(http.Serve(shop, nil))
}
