// go-sql-driver/mysql: one login with its default options: login HOST PORT USER PASSWORD
package main

import (
	"database/sql"
	"fmt"
	"os"

	_ "github.com/go-sql-driver/mysql"
)

func main() {
	host, port, user, password := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	db, err := sql.Open("mysql", fmt.Sprintf("%s:%s@tcp(%s:%s)/", user, password, host, port))
	var one int
	if err == nil {
		err = db.QueryRow("SELECT 1").Scan(&one)
	}
	if err != nil || one != 1 {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("in")
}
