//go:build tools

// SPDX-License-Identifier: Apache-2.0

package main

// A program, whose version stands in go.mod like a library's.
import _ "github.com/summerwind/h2spec/cmd/h2spec"
