// SPDX-License-Identifier: Apache-2.0

// A server and a client of HTTP/2 in plain text, for h2_record.py.
//
//	peer server              prints its port; /bytes/N, /chunks/N, /status/N, /early, /trailers, /echo, /reset
//	peer client PORT PLANS   does the requests of each plan (JSON) at once, on one connection
//
// Both print a line of JSON for each exchange: what they received.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"
)

type request struct {
	ID, Method, Path string
	Size             int
}

type seen struct {
	ID     string `json:"id"`
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	Status int    `json:"status,omitempty"`
	Length int    `json:"length"`
	Sha256 string `json:"sha256"`
}

var printing sync.Mutex

func tell(s seen, body []byte) {
	sum := sha256.Sum256(body)
	s.Length, s.Sha256 = len(body), hex.EncodeToString(sum[:])
	line, _ := json.Marshal(s)
	printing.Lock()
	defer printing.Unlock()
	fmt.Println(string(line))
}

func pattern(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte('a' + i%23)
	}
	return out
}

func serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	tell(seen{ID: r.Header.Get("x-id"), Method: r.Method, Path: r.RequestURI}, body)
	parts := strings.Split(strings.SplitN(r.URL.Path, "?", 2)[0], "/")
	n := 0
	if len(parts) > 2 {
		n, _ = strconv.Atoi(parts[2])
	}
	w.Header().Set("content-type", "text/plain")
	w.Header().Set("x-server", "go")
	switch parts[1] {
	case "bytes":
		w.Header().Set("content-length", strconv.Itoa(n))
		w.Write(pattern(n))
	case "chunks":
		for i := 0; i < n; i++ {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
		}
	case "status":
		w.WriteHeader(n)
	case "early":
		w.Header().Set("link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Write([]byte("late"))
	case "trailers":
		w.Write([]byte("before the trailers"))
		w.Header().Set(http.TrailerPrefix+"x-checksum", "12345")
	case "echo":
		w.Write(body)
	case "reset":
		w.Write(pattern(1000))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func server() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	return http.Serve(listener, h2c.NewHandler(http.HandlerFunc(serve), &http2.Server{}))
}

func ask(client *http.Client, port string, q request) {
	r, err := http.NewRequest(q.Method, "http://127.0.0.1:"+port+q.Path, nil)
	if err != nil {
		panic(err)
	}
	if q.Size > 0 {
		r.Body = io.NopCloser(bytes.NewReader(pattern(q.Size)))
	}
	r.Header.Set("x-id", q.ID)
	answer, err := client.Do(r)
	if err != nil {
		fmt.Fprintln(os.Stderr, q.ID, err)
		return
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		fmt.Fprintln(os.Stderr, q.ID, err)
		return
	}
	tell(seen{ID: q.ID, Status: answer.StatusCode}, body)
}

func session(port string, requests []request) {
	transport := &http2.Transport{
		AllowHTTP: true,
		DialTLS: func(network, addr string, _ *tls.Config) (net.Conn, error) {
			return net.Dial(network, addr)
		},
	}
	client := &http.Client{Transport: transport}
	// The first alone, so that the others find the connection there.
	ask(client, port, requests[0])
	var all sync.WaitGroup
	for _, q := range requests[1:] {
		all.Add(1)
		go func(q request) {
			defer all.Done()
			ask(client, port, q)
		}(q)
	}
	all.Wait()
	transport.CloseIdleConnections()
}

func client(port, plans string) error {
	var all []struct{ Requests []request }
	if err := json.Unmarshal([]byte(plans), &all); err != nil {
		return err
	}
	for _, plan := range all {
		session(port, plan.Requests)
	}
	return nil
}

func main() {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "server":
		err = server()
	case len(os.Args) == 4 && os.Args[1] == "client":
		err = client(os.Args[2], os.Args[3])
	default:
		err = fmt.Errorf("usage: peer server | peer client PORT PLANS")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
