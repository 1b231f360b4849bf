//go:build !linux

package netlab_test

import "errors"

func forgetFlows() error { return errors.ErrUnsupported }
