package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"nofixup/reflector"
)

// startMetrics serves the counters of a server on an address of their own. Close ends it.
func startMetrics(ctx context.Context, address string, srv *reflector.Server) (io.Closer, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, &reflector.ListenError{Service: "metrics", Network: "tcp", Address: address, Err: err}
	}
	m := &http.Server{
		ReadTimeout:  5 * time.Second,
		WriteTimeout: 10 * time.Second,
		IdleTimeout:  2 * time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.Path != "/metrics" {
				http.Error(w, "GET /metrics", http.StatusNotFound)
				return
			}
			w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
			w.Write(metrics(srv.Counters()))
		}),
	}
	go m.Serve(ln) // returns on Close; until then it has nothing to report that the next request does not show
	return m, nil
}

// metrics writes counters in the Prometheus text format, version 0.0.4.
func metrics(c reflector.Counters) []byte {
	var out bytes.Buffer
	family := func(name, kind, help string) {
		fmt.Fprintf(&out, "# HELP nofixup_reflector_%s %s\n# TYPE nofixup_reflector_%s %s\n", name, help, name, kind)
	}
	sample := func(name string, value any) { fmt.Fprintf(&out, "nofixup_reflector_%s %d\n", name, value) }
	labelled := func(name, label string, rows ...row) {
		for _, r := range rows {
			fmt.Fprintf(&out, "nofixup_reflector_%s{%s=%q} %d\n", name, label, r.name, r.value)
		}
	}

	family("datagrams_total", "counter", "Datagrams received, by what became of them.")
	labelled("datagrams_total", "fate", row{"empty", c.Empty}, row{"oversize", c.Oversize}, row{"bad_source", c.BadSource},
		row{"tokenless", c.Tokenless}, row{"kept", c.Kept}, row{"spent", c.Spent})
	family("datagrams_received_total", "counter", "Datagrams received.")
	sample("datagrams_received_total", c.Received)
	family("received_octets_total", "counter", "Octets in the datagrams received.")
	sample("received_octets_total", c.ReceivedOctets)
	family("answers_total", "counter", "Answers sent, over UDP and TCP.")
	sample("answers_total", c.Answered)
	family("answered_octets_total", "counter", "Octets in the answers sent.")
	sample("answered_octets_total", c.AnsweredOctets)
	family("silences_total", "counter", "Datagrams and reads kept and not answered, by reason.")
	for _, reason := range slices.Sorted(maps.Keys(c.Silences)) {
		labelled("silences_total", "reason", row{reason, c.Silences[reason]})
	}
	family("read_errors_total", "counter", "Failed reads of a UDP socket and failed accepts.")
	sample("read_errors_total", c.ReadErrors)
	family("media_total", "counter", "Media packets that got a record, by direction.")
	labelled("media_total", "direction", row{"in", c.Media}, row{"out", c.MediaSent})
	family("media_sent_octets_total", "counter", "Octets in the media packets sent.")
	sample("media_sent_octets_total", c.MediaSentOctets)
	family("pinholes_total", "counter", "Datagrams sent to announced ports and their neighbours.")
	sample("pinholes_total", c.Pinholes)
	family("panics_total", "counter", "Faults in the reflector.")
	sample("panics_total", c.Panics)

	family("actions_total", "counter", "Messages that clients wanted sent to them, by what became of that.")
	labelled("actions_total", "fate", row{"sent", c.Actions}, row{"failed", c.ActionsFailed})
	family("action_octets_total", "counter", "Octets in the messages sent by actions.")
	sample("action_octets_total", c.ActionOctets)

	family("streams_total", "counter", "TCP connections on the ports that take probes, by what became of them.")
	labelled("streams_total", "fate", row{"accepted", c.Streams}, row{"refused", c.StreamsRefused})
	family("streams_ended_total", "counter", "Of those accepted, the ones that came to an early end, by reason.")
	labelled("streams_ended_total", "reason", row{"tokenless", c.StreamsTokenless}, row{"spent", c.StreamsSpent})
	family("streams", "gauge", "TCP connections on these ports.")
	sample("streams", c.StreamsOpen)
	family("streams_unsecured_total", "counter", "Of the tokenless ones, those that ended before or in their TLS handshake.")
	sample("streams_unsecured_total", c.StreamsUnsecured)
	family("stream_octets_total", "counter", "Octets received over them.")
	sample("stream_octets_total", c.StreamOctets)
	family("stream_reads_total", "counter", "Reads of them that got a receipt.")
	sample("stream_reads_total", c.StreamReads)

	family("connections_total", "counter", "Connections to the HTTPS port, by what became of them.")
	labelled("connections_total", "fate", row{"accepted", c.Connections}, row{"refused", c.ConnectionsRefused})
	family("connections_other_total", "counter", "Of those accepted, the ones that were no HTTPS: streams, which streams_total counts too, and closed ones.")
	labelled("connections_other_total", "kind", row{"stream", c.ConnectionsStreams}, row{"unknown", c.ConnectionsUnknown})
	family("connection_errors_total", "counter", "Failed TLS handshakes and the like.")
	sample("connection_errors_total", c.ConnectionErrors)
	family("requests_total", "counter", "HTTPS requests.")
	sample("requests_total", c.Requests)
	family("polls", "gauge", "Polls that wait.")
	sample("polls", c.Polls)

	family("sessions_opened_total", "counter", "Sessions opened.")
	sample("sessions_opened_total", c.Opened)
	family("sessions_refused_total", "counter", "Sessions refused, by reason.")
	labelled("sessions_refused_total", "reason", row{"limited", c.Limited}, row{"full", c.Full})
	family("sessions_ended_total", "counter", "Sessions ended, by reason.")
	labelled("sessions_ended_total", "reason", row{"deleted", c.Deleted}, row{"expired", c.Expired}, row{"evicted", c.Evicted})
	family("sessions", "gauge", "Live sessions.")
	sample("sessions", c.Sessions)
	family("receipt_octets", "gauge", "Octets of memory that receipts hold.")
	sample("receipt_octets", c.Octets)
	return out.Bytes()
}

// row is one labelled sample.
type row struct {
	name  string
	value uint64
}
