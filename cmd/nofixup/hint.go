package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"nofixup/alg/probe"
	"nofixup/reflector/wire"
)

// hint says what may help against an error, "" if nothing is known.
func hint(err error) string {
	text, unreached := cause(err)
	if name := probe.ProxyVariable(os.Getenv); unreached && name != "" {
		text += "; " + name + " is set: where only the proxy is let out, give it as --proxy"
	}
	return text
}

// cause is the hint of an error by itself; unreached reports that the reflector may be there and only the way to it is closed.
func cause(err error) (text string, unreached bool) {
	var (
		op          *net.OpError
		pin         *wire.PinError
		status      *wire.StatusError
		authority   x509.UnknownAuthorityError
		hostname    x509.HostnameError
		certificate x509.CertificateInvalidError
		record      tls.RecordHeaderError
		name        *net.DNSError
		timeout     net.Error
	)
	switch {
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "the proxy cannot be reached: check --proxy", false
	case errors.As(err, &pin):
		return "this is another server than the one whose pin was given, or something on the path takes TLS apart; the pin stands in the reflector's ready line", false
	case errors.As(err, &status):
		return statusHint(status), false
	case errors.As(err, &authority):
		return "a reflector with a key of its own making needs its --pin, which its ready line shows; one with a private authority needs --ca", false
	case errors.As(err, &hostname):
		return "use the name that the certificate is for, or give the reflector's --pin", false
	case errors.As(err, &certificate):
		return "check this computer's clock and the reflector's certificate, or give the reflector's --pin", false
	case errors.As(err, &record), strings.Contains(err.Error(), "gave HTTP response to HTTPS client"): // net/http has no type for it
		return "what answers there does not speak TLS: is the port right?", false
	case errors.As(err, &name):
		return "check the name of the reflector and this computer's DNS", true
	case errors.Is(err, probe.ErrNoTarget):
		return "the reflector has no address that -4 or -6, --source, this computer's routes and a firewall for HTTPS allow", false
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: is a nofixup-reflector running, and on that port?", true
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "this computer has no way there, or a router on the way has none: check the address and this computer's network, or try -4 or -6", true
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "HTTPS to the reflector does not get through: a firewall may drop it, or nothing runs there", true
	}
	return "", false
}

func statusHint(e *wire.StatusError) string {
	switch {
	case e.Problem.Hint != "":
		return e.Problem.Hint
	case e.RetryAfter > 0:
		return fmt.Sprintf("try again in %s", e.RetryAfter)
	case e.Problem.Error == "" && e.Code == http.StatusNotFound:
		return "what answers there is no nofixup reflector"
	}
	return ""
}
