// Package report renders a report for people: as text for a terminal or a pipe.
//
// The JSON form is the report itself ([alg.Report.WriteJSON]); nothing that a renderer shows is computed here.
package report
