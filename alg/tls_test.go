package alg

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTLSIntercepted shows what a handshake proves, and what it does not.
func TestTLSIntercepted(t *testing.T) {
	own := Certificate{SHA256: "aa", Pin: "sha256//own"}
	theirs := Certificate{Subject: "CN=firewall", Issuer: "CN=inspection", SHA256: "bb", Pin: "sha256//other"}
	ours := Handshake{Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", ALPN: "sip/2", SNI: "r.example", Binding: "01"}
	at := func(change func(h *Handshake)) *Handshake {
		h := ours
		change(&h)
		return &h
	}
	good := func() TLS {
		return TLS{Expected: own, Chain: []Certificate{own}, Best: Handshake{Version: "TLS 1.3", ALPN: "sip/2"}, Client: ours, Server: &ours}
	}
	for _, tc := range []struct {
		name    string
		change  func(h *TLS)
		outcome Outcome
		want    Verdict
		fields  string
	}{
		{"nobody in between", func(*TLS) {}, OutcomeOK, Clean, ""},
		{"another certificate with the same key", func(h *TLS) { h.Chain = []Certificate{{SHA256: "cc", Pin: own.Pin}} }, OutcomeOK, Clean, ""},
		{"the reflector did not tell", func(h *TLS) { h.Server = nil }, OutcomeOK, Clean, ""},
		{"it says nothing of its key", func(h *TLS) { h.Expected = Certificate{} }, OutcomeOK, Clean, ""},
		{"nor of the handshake", func(h *TLS) { h.Expected, h.Server = Certificate{}, nil }, OutcomeOK, Untested, ""},
		{"nor of what it offers", func(h *TLS) { h.Best = Handshake{} }, OutcomeOK, Clean, ""},
		{"another key", func(h *TLS) { h.Chain = []Certificate{theirs} }, OutcomeOK, Intercepted, "tls.certificate"},
		{"another key, of a handshake that failed", func(h *TLS) {
			h.Chain, h.Client, h.Server = []Certificate{theirs}, Handshake{}, nil
		}, OutcomeFailed, Intercepted, "tls.certificate"},
		{"a lower version", func(h *TLS) {
			h.Client = *at(func(h *Handshake) { h.Version = "TLS 1.2" })
			h.Server = &h.Client
		}, OutcomeOK, Intercepted, "tls.version"},
		{"another version there", func(h *TLS) { h.Server = at(func(h *Handshake) { h.Version = "TLS 1.2" }) }, OutcomeOK, Intercepted, "tls.version"},
		{"no ALPN", func(h *TLS) {
			h.Client = *at(func(h *Handshake) { h.ALPN = "" })
			h.Server = &h.Client
		}, OutcomeOK, Intercepted, "tls.alpn"},
		{"no ALPN there", func(h *TLS) { h.Server = at(func(h *Handshake) { h.ALPN = "" }) }, OutcomeOK, Intercepted, "tls.alpn"},
		{"another name there", func(h *TLS) { h.Server = at(func(h *Handshake) { h.SNI = "" }) }, OutcomeOK, Intercepted, "tls.sni"},
		{"another cipher there", func(h *TLS) { h.Server = at(func(h *Handshake) { h.Cipher = "x" }) }, OutcomeOK, Intercepted, "tls.cipher"},
		{"the same key, another connection", func(h *TLS) { h.Server = at(func(h *Handshake) { h.Binding = "02" }) }, OutcomeOK, Intercepted, "tls.binding"},
		{"no binding there", func(h *TLS) { h.Server = at(func(h *Handshake) { h.Binding = "" }) }, OutcomeOK, Clean, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene()
			path := Path{Proto: ProtoSIPS, Transport: "tls", Family: 4, Port: 5061}
			s.Flows = []Flow{{ID: 1, Path: path, Inside: [2]netip.AddrPort{own1, server}, Outside: [2]netip.AddrPort{own1, server}}}
			message := []byte("OPTIONS sips:a@203.0.113.10 SIP/2.0\r\n\r\n")
			if tc.outcome == OutcomeOK {
				s.carry(1, true, "options", ShapeLocal, message, message).carry(1, false, "options", ShapeLocal, message, message)
			}
			h := good()
			tc.change(&h)
			s.Trials = append(s.Trials, Trial{Kind: TrialTLS, Path: path, At: time.Now(), Outcome: tc.outcome, TLS: &h})
			r := s.judged()
			if p := r.Paths[0]; len(r.Paths) != 1 || p.Outbound != tc.want || p.Inbound != tc.want {
				t.Errorf("%+v, want %s", r.Paths, tc.want)
			}
			var fields []string
			for _, f := range r.Findings {
				fields = append(fields, f.Field)
				if f.ID != tlsIntercepted.ID || f.Proto != ProtoSIPS || f.Advice != turnOffTLS || len(f.Sent) == 0 || len(f.Got) == 0 || f.Count != 1 {
					t.Errorf("%+v", f)
				}
				if f.Field == "tls.certificate" && (!strings.Contains(string(f.Sent), own.SHA256) || string(f.Got) != theirs.String()) {
					t.Errorf("%q, %q", f.Sent, f.Got)
				}
			}
			slices.Sort(fields)
			if got := strings.Join(fields, " "); got != tc.fields {
				t.Errorf("fields %q, want %q", got, tc.fields)
			}
		})
	}
}

var own1 = netip.MustParseAddrPort("10.0.0.9:40000")

// TestHandshakeFails shows that a handshake which does not come about is no closed port, and that messages inside TLS are
// judged as those outside are.
func TestHandshakeFails(t *testing.T) {
	path := Path{Proto: ProtoSIPS, Transport: "tls", Family: 4, Port: 5061}
	s := newScene()
	s.Flows = nil
	for range minConnects {
		s.Trials = append(s.Trials, Trial{Kind: TrialTLS, Path: path, Outcome: OutcomeFailed, Detail: "nobody answers", TLS: &TLS{}})
	}
	r := s.judged()
	if p := r.Paths[0]; p.Outbound != Blocked || p.Inbound != Untested || !strings.Contains(p.Reason, "while TCP connects: nobody answers") {
		t.Errorf("%+v", p)
	}
	if f := withID(r, portBlocked.ID); len(f) != 1 {
		t.Errorf("%+v", r.Findings)
	}
	s.Trials = s.Trials[:minConnects-1]
	if p := s.judged().Paths[0]; p.Outbound != Untested || !strings.Contains(p.Reason, "no TLS handshake (nobody answers) in 5 tries") {
		t.Errorf("%+v", p)
	}
}
