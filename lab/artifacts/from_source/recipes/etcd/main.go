// The etcd server. Its own main package lives in a module with replace directives, which `go build` refuses
// in a dependency; the server behind it is an ordinary package.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
