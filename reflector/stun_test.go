package reflector

import "testing"

func TestIsSTUN(t *testing.T) {
	for _, tc := range []struct {
		raw  string
		want bool
	}{
		{"\x00\x01\x00\x00\x21\x12\xa4\x42123456789012", true},
		{"\x01\x01\x00\x00\x21\x12\xa4\x42123456789012", true},
		{"\x80\x01\x00\x00\x21\x12\xa4\x42123456789012", false}, // no STUN has these bits (RFC 8489 6.3)
		{"\x00\x01\x00\x00\x21\x12\xa4\x4212345678901", false},
		{"\x00\x01\x00\x00\x00\x00\x00\x00123456789012", false},
		{"", false},
	} {
		if got := isSTUN([]byte(tc.raw)); got != tc.want {
			t.Errorf("% x: %v", tc.raw, got)
		}
	}
}
