// Truth is a service that says of itself who waits on which descriptor, and where: what a reader from outside
// finds is compared with it. It reads commands and writes answers, which the README beside describes.
//
// It builds with Go 1.19 and every later one, and uses nothing but the standard library.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// patience is how long a wait may take to begin or to end. It is an error if it takes longer.
const patience = time.Minute

func main() {
	service := newService()
	answers := json.NewEncoder(os.Stdout)
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		answer, err := service.obey(strings.Fields(commands.Text()))
		if err != nil {
			answer = map[string]string{"error": err.Error()}
		}
		if err := answers.Encode(answer); err != nil {
			return
		}
	}
}

// obey carries out one command. An answer comes when what was asked has happened.
func (s *service) obey(words []string) (any, error) {
	if len(words) == 0 {
		return nil, fmt.Errorf("no command")
	}
	words, arguments := words[:1], words[1:]
	switch {
	case words[0] == "open" && len(arguments) == 1:
		return s.open(arguments[0])
	case words[0] == "places" && len(arguments) == 0:
		return places(), nil
	case words[0] == "truth" && len(arguments) == 0:
		return s.truth()
	case words[0] == "churn" && len(arguments) == 1:
		count, err := strconv.Atoi(arguments[0])
		if err != nil {
			return nil, err
		}
		return done, s.churn.become(count)
	case words[0] == "wait" && len(arguments) == 2:
		count, err := strconv.Atoi(arguments[1])
		if err != nil {
			return nil, err
		}
		return done, s.wait(arguments[0], count)
	case words[0] == "close" && len(arguments) == 1:
		d, err := s.find(arguments[0])
		if err != nil {
			return nil, err
		}
		return done, s.close(d)
	case words[0] == "lose" && len(arguments) == 1:
		d, err := s.find(arguments[0])
		if err != nil {
			return nil, err
		}
		return done, s.lose(d)
	}
	if len(arguments) < 2 {
		return nil, fmt.Errorf("unknown, or of other arguments: %s", words[0])
	}
	d, err := s.find(arguments[0])
	if err != nil {
		return nil, err
	}
	which, err := d.side(arguments[1])
	if err != nil {
		return nil, err
	}
	arguments = arguments[2:]
	switch {
	case words[0] == "park" && len(arguments) == 1:
		return done, s.park(d, which, arguments[0])
	case words[0] == "wake" && len(arguments) == 0:
		return done, s.wake(d, which)
	case words[0] == "serve" && len(arguments) == 0:
		return done, s.serve(d, which)
	case words[0] == "again" && len(arguments) == 1:
		return done, s.again(d, which, arguments[0])
	case words[0] == "deadline" && len(arguments) == 1:
		return done, s.deadline(d, which, arguments[0])
	}
	return nil, fmt.Errorf("unknown, or of other arguments: %s", words[0])
}

// done is the answer to a command that only does something.
var done = map[string]bool{"done": true}
