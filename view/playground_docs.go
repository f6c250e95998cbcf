package view

var opDocs = map[string]string{}
