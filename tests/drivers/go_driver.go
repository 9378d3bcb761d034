// go-sql-driver/mysql: text queries, and prepared statements of the binary protocol.
package main

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

const columns = `id INT PRIMARY KEY AUTO_INCREMENT, tiny TINYINT, whole INT, big BIGINT, huge BIGINT UNSIGNED, single FLOAT,
	dbl DOUBLE, exact DECIMAL(20,6), bits BIT(8), day DATE, span TIME(3), moment DATETIME(6), yr YEAR,
	word VARCHAR(200) UNIQUE, raw BLOB, choice ENUM('a','b'), choices SET('x','y','z'), doc JSON`
const names = "tiny, whole, big, huge, single, dbl, exact, bits, day, span, moment, yr, word, raw, choice, choices, doc"

var marks = strings.TrimSuffix(strings.Repeat("?,", 17), ",")

type observation struct {
	what  string
	value string
}

type scenario struct {
	endpoint, user, password string
	seen                     []observation
	db                       *sql.DB
}

func (s *scenario) note(what string, value ...interface{}) {
	s.seen = append(s.seen, observation{what, fmt.Sprintf("%q", fmt.Sprint(value...))})
}

func (s *scenario) open(password, database, options string) *sql.DB {
	db, err := sql.Open("mysql", fmt.Sprintf("%s:%s@tcp(%s)/%s?timeout=10s&charset=utf8mb4&%s", s.user, password, s.endpoint, database, options))
	must(err)
	db.SetMaxOpenConns(1)
	return db
}

func (s *scenario) refusal(what string, err error, withText bool) {
	var refused *mysql.MySQLError
	switch {
	case err == nil:
		s.note(what, "no error")
	case errors.As(err, &refused) && withText:
		s.note(what, refused.Number, refused.Message)
	case errors.As(err, &refused):
		s.note(what, refused.Number)
	default:
		s.note(what, err)
	}
}

func (s *scenario) run(statement string, values ...interface{}) sql.Result {
	result, err := s.db.Exec(statement, values...)
	must(err)
	return result
}

func (s *scenario) rows(statement string, values ...interface{}) string {
	rows, err := s.db.Query(statement, values...)
	must(err)
	return text(rows)
}

func text(rows *sql.Rows) string {
	defer rows.Close()
	types, err := rows.ColumnTypes()
	must(err)
	var out strings.Builder
	for _, t := range types {
		fmt.Fprintf(&out, "%s %s;", t.Name(), t.DatabaseTypeName())
	}
	for rows.Next() {
		values := make([]interface{}, len(types))
		for i := range values {
			values[i] = new(interface{})
		}
		must(rows.Scan(values...))
		for _, v := range values {
			fmt.Fprintf(&out, " %T:%v", *v.(*interface{}), *v.(*interface{}))
		}
		out.WriteString("\n")
	}
	must(rows.Err())
	return out.String()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func observe(endpoint, user, password, options string) []observation {
	s := &scenario{endpoint: endpoint, user: user, password: password}
	wrong := s.open("wrong", "app", options)
	s.refusal("wrong password", wrong.Ping(), false)
	must(wrong.Close())
	unknown := s.open(password, "no_such_database", options)
	s.refusal("unknown database", unknown.Ping(), true)
	must(unknown.Close())
	s.db = s.open(password, "app", options)
	s.note("database at connect", s.rows("SELECT DATABASE()"))
	s.run("CREATE DATABASE IF NOT EXISTS drivers_go")
	s.run("USE drivers_go")
	s.note("database after USE", s.rows("SELECT DATABASE()"))
	s.kinds()
	s.numbers()
	s.blob()
	s.run("DROP DATABASE drivers_go")
	must(s.db.Close())
	return s.seen
}

func (s *scenario) kinds() {
	s.run("DROP TABLE IF EXISTS kinds")
	s.run("CREATE TABLE kinds (" + columns + ") CHARACTER SET utf8mb4")
	full := []interface{}{-128, -2147483648, int64(-9223372036854775808), uint64(18446744073709551615), float32(1.5), 3.141592653589793,
		"12345678901234.567890", []byte{0xa5}, "2024-02-29", "-05:00:00.250", time.Date(1999, 12, 31, 23, 59, 59, 123456000, time.UTC),
		2024, "zwölf 🦀 ' \" \\ end", []byte{0, 1, 2, 255}, "b", "x,z", `{"k": [1, null, "ü"]}`}
	empty := make([]interface{}, 17)
	empty[12] = "all else is NULL"
	insert, err := s.db.Prepare("INSERT INTO kinds (" + names + ") VALUES (" + marks + ")")
	must(err)
	for _, row := range [][]interface{}{full, empty} {
		result, err := insert.Exec(row...)
		must(err)
		id, _ := result.LastInsertId()
		s.note("prepared insert", id)
	}
	_, err = insert.Exec(empty...)
	s.refusal("duplicate key, prepared", err, true)
	must(insert.Close())
	s.note("all kinds, text", s.rows("SELECT * FROM kinds ORDER BY id"))
	query, err := s.db.Prepare("SELECT * FROM kinds WHERE id > ? ORDER BY id")
	must(err)
	for turn := 0; turn < 3; turn++ {
		rows, err := query.Query(turn)
		must(err)
		s.note("all kinds, prepared", text(rows))
	}
	must(query.Close())
	_, err = s.db.Exec("INSERT INTO kinds (word) VALUES ('all else is NULL')")
	s.refusal("duplicate key, text", err, true)
	_, err = s.db.Prepare("SELECT * FROM no_such_table WHERE a = ?")
	s.refusal("cannot be prepared", err, true)
	s.note("many parameters", s.rows("SELECT ? + ?, CONCAT(?, ?), ? IS NULL", 1, 2.5, "é", "🦀", nil))
}

func (s *scenario) numbers() {
	s.run("DROP TABLE IF EXISTS numbers")
	s.run("CREATE TABLE numbers (n INT PRIMARY KEY, half DOUBLE)")
	var all []string
	for n := 0; n < 1000; n++ {
		all = append(all, fmt.Sprintf("(%d,%d.5)", n, n))
	}
	s.run("INSERT INTO numbers VALUES " + strings.Join(all, ","))
	s.note("1000 rows, text", s.rows("SELECT * FROM numbers ORDER BY n"))
	s.note("1000 rows, prepared", s.rows("SELECT * FROM numbers WHERE n >= ? ORDER BY n", 0))
	for _, end := range []func(*sql.Tx) error{(*sql.Tx).Rollback, (*sql.Tx).Commit} {
		tx, err := s.db.Begin()
		must(err)
		result, err := tx.Exec("UPDATE numbers SET half = ? WHERE n = ?", -1, 1)
		must(err)
		affected, _ := result.RowsAffected()
		rows, err := tx.Query("SELECT half FROM numbers WHERE n = ?", 1)
		must(err)
		s.note("inside", affected, text(rows))
		must(end(tx))
		s.note("afterwards", s.rows("SELECT half FROM numbers WHERE n = ?", 1))
	}
	for n := 0; n < 50; n++ {
		s.run("UPDATE numbers SET half = ? WHERE n = ?", n, 3)
		var half int
		must(s.db.QueryRow("SELECT half FROM numbers WHERE n = ?", 3).Scan(&half))
		if half != n {
			s.note("stale read", n, half)
		}
	}
}

func (s *scenario) blob() {
	blob := bytes.Repeat([]byte{0, 1, 39, 92, 255, 10, 13, 26}, 1<<17)
	s.run("CREATE TABLE IF NOT EXISTS blobs (id INT PRIMARY KEY, content LONGBLOB)")
	s.run("REPLACE INTO blobs VALUES (?, ?)", 1, blob)
	var read []byte
	must(s.db.QueryRow("SELECT content FROM blobs WHERE id = ?", 1).Scan(&read))
	s.note("blob of 1 MiB", len(read), bytes.Equal(read, blob))
}

func main() {
	defer func() {
		if problem := recover(); problem != nil {
			fmt.Fprintln(os.Stderr, problem)
			os.Exit(1)
		}
	}()
	endpoint, direct, user, password := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	for _, options := range []string{"", "interpolateParams=true", "parseTime=true&multiStatements=true"} {
		wanted, got := observe(direct, user, password, options), observe(endpoint, user, password, options)
		for i := range wanted {
			if i >= len(got) || !reflect.DeepEqual(wanted[i], got[i]) {
				panic(fmt.Sprintf("%s: got %.300s, the primary gives %.300s", wanted[i].what, got[i].value, wanted[i].value))
			}
			if strings.HasPrefix(got[i].what, "duplicate key") && !strings.Contains(got[i].value, "1062") {
				panic(fmt.Sprint(got[i]))
			}
		}
		if len(got) != len(wanted) {
			panic(fmt.Sprintf("%d observations, the primary gives %d: %v", len(got), len(wanted), got[len(got)-1]))
		}
	}
}
