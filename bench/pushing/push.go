// A channel for each subscriber, as Go's examples of server-sent events have it, on one processor.
package main

import (
	"io"
	"net/http"
	"os"
	"runtime"
	"sync"
)

var (
	mutex       sync.Mutex
	subscribers = map[chan []byte]bool{}
)

func main() {
	runtime.GOMAXPROCS(1)
	http.HandleFunc("/events", subscribe)
	http.HandleFunc("/send", send)
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "here") })
	panic(http.ListenAndServe(os.Args[1], nil))
}

func subscribe(w http.ResponseWriter, r *http.Request) {
	events := make(chan []byte, 256)
	mutex.Lock()
	subscribers[events] = true
	mutex.Unlock()
	defer func() {
		mutex.Lock()
		delete(subscribers, events)
		mutex.Unlock()
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.(http.Flusher).Flush()
	for {
		select {
		case event := <-events:
			if _, err := w.Write(event); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// Encodes the event once for all. A subscriber that is too slow misses it.
func send(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	event := append(append([]byte("data: "), data...), '\n', '\n')
	mutex.Lock()
	for events := range subscribers {
		select {
		case events <- event:
		default:
		}
	}
	mutex.Unlock()
	w.WriteHeader(http.StatusNoContent)
}
