package alg

import "testing"

func TestSignature(t *testing.T) {
	for _, tc := range []struct {
		text, step string
		control    bool
		ok         bool
	}{
		{Signature("1.0", "invite-host-c", false), "invite-host-c", false, true},
		{Signature("", "setup", true), "setup", true, true},
		{"User-Agent: nofixup/1.0\r\nX: nofixup/ (invite; neutral)", "invite", true, true},
		{"nofixup/1.0 (setup-7-terminalCapabilitySetAck; service) nfx", "setup-7-terminalCapabilitySetAck", false, true},
		{"nofixup/1.0 (invite; other)", "", false, false},
		{"nofixup/1.0 (in vite; service)", "", false, false},
		{"nofixup/1.0 (; service)", "", false, false},
		{"nofixup/1.0 (invite; service", "", false, false},
		{"nofixup/", "", false, false},
		{"", "", false, false},
	} {
		step, control, ok := ReadSignature([]byte(tc.text))
		if step != tc.step || control != tc.control || ok != tc.ok {
			t.Errorf("%q: %q, %v, %v", tc.text, step, control, ok)
		}
	}
	if a, b := Signature("1", "x", true), Signature("1", "x", false); len(a) != len(b) {
		t.Errorf("%q is longer than %q, or shorter: a message to the control port would be, too", a, b)
	}
}

func FuzzReadSignature(f *testing.F) {
	f.Add([]byte(Signature("1.0", "invite-host-c", false)))
	f.Add([]byte("nofixup/nofixup/1 (a; service)"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		step, control, ok := ReadSignature(raw)
		if !ok {
			return
		}
		if again, c, ok := ReadSignature([]byte(Signature("", step, control))); again != step || c != control || !ok {
			t.Errorf("%q reads back as %q", step, again)
		}
	})
}

func TestRoleOf(t *testing.T) {
	for _, tc := range []struct {
		step    string
		control bool
		want    Role
	}{
		{"invite", false, RoleProbe},
		{"invite", true, RoleControl},
		{"invite-size-1472-df", false, RoleProbe},
		{"invite-size-1600", false, RoleProbe},
		{"setup-27", true, RoleControl},
		{"options-bracket", true, RoleBracket},
		{"options-after-garbage", false, RoleBracket},
		{"live-hold-200", false, RoleBracket},
		{"cause-via", false, RoleCause},
		{"invite-host-c-7", false, RoleCause},
		{"", false, RoleBracket},
	} {
		if got := RoleOf(tc.step, tc.control); got != tc.want {
			t.Errorf("%q, control %v: %s, want %s", tc.step, tc.control, got, tc.want)
		}
	}
}
