// Node's mysql2: text queries, and prepared statements of the binary protocol.
"use strict";
const assert = require("node:assert");
const mysql = require("mysql2/promise");

const COLUMNS = `id INT PRIMARY KEY AUTO_INCREMENT, tiny TINYINT, whole INT, big BIGINT, huge BIGINT UNSIGNED, single FLOAT,
  dbl DOUBLE, exact DECIMAL(20,6), bits BIT(8), day DATE, span TIME(3), moment DATETIME(6), yr YEAR, word VARCHAR(200) UNIQUE,
  raw BLOB, choice ENUM('a','b'), choices SET('x','y','z'), doc JSON`;
const NAMES = COLUMNS.match(/\w+(?= [A-Z]+)/g).filter((n) => n === n.toLowerCase() && n !== "id");
const FULL = ["-128", "-2147483648", "-9223372036854775808", "18446744073709551615", 1.5, 3.141592653589793,
  "12345678901234.567890", Buffer.from([0xa5]), "2024-02-29", "-05:00:00.250", "1999-12-31 23:59:59.123456", 2024,
  "zwölf 🦀 ' \" \\ end", Buffer.from([...Array(256).keys()]), "b", "x,z", '{"k": [1, null, "ü"]}'];
const EMPTY = NAMES.map((n) => (n === "word" ? "all else is NULL" : null));

async function observe(endpoint, user, password) {
  const at = endpoint.lastIndexOf(":");
  const connect = (other) => mysql.createConnection({ host: endpoint.slice(0, at), port: Number(endpoint.slice(at + 1)),
    user, password, charset: "utf8mb4", dateStrings: true, supportBigNumbers: true, bigNumberStrings: true, connectTimeout: 10000, ...other });
  const seen = [];
  const note = (what, value) => seen.push([what, value]);
  const refusal = async (what, action, withText = true) => {
    try { await action(); note(what, "no error"); }
    catch (error) { note(what, [error.errno, error.sqlState, withText ? error.sqlMessage : ""]); }
  };
  await refusal("wrong password", () => connect({ password: "wrong" }), false);
  await refusal("unknown database", () => connect({ database: "no_such_database" }));
  const db = await connect({ database: "app" });
  const rows = async (sql, values) => (await db.query(sql, values))[0];
  const prepared = async (sql, values) => (await db.execute(sql, values))[0];

  note("database at connect", await rows("SELECT DATABASE() d"));
  await rows("CREATE DATABASE IF NOT EXISTS drivers_node");
  await db.changeUser({ user, password, database: "app" });
  note("database after COM_CHANGE_USER", await rows("SELECT DATABASE() d"));
  await rows("USE drivers_node");
  note("database after USE", await rows("SELECT DATABASE() d"));
  await rows("DROP TABLE IF EXISTS kinds");
  await rows(`CREATE TABLE kinds (${COLUMNS}) CHARACTER SET utf8mb4`);
  const insert = `INSERT INTO kinds (${NAMES}) VALUES (${NAMES.map(() => "?")})`;
  note("text insert", (await rows(insert, FULL)).insertId);
  await rows("UPDATE kinds SET word = 'other' WHERE id = 1");
  for (const row of [FULL, EMPTY]) note("prepared insert", (await prepared(insert, row)).insertId);
  note("all kinds, text", await rows("SELECT * FROM kinds ORDER BY id"));
  for (let turn = 0; turn < 3; turn++) note("all kinds, prepared", await prepared("SELECT * FROM kinds WHERE id > ? ORDER BY id", [turn]));
  note("no rows, prepared", await prepared("SELECT * FROM kinds WHERE id > ?", [1000]));
  note("fields", (await db.query("SELECT * FROM kinds LIMIT 1"))[1].map((f) => [f.name, f.columnType, f.flags, f.table, f.schema]));
  await refusal("duplicate key, text", () => db.query(insert, EMPTY));
  await refusal("duplicate key, prepared", () => db.execute(insert, EMPTY));
  await refusal("cannot be prepared", () => db.execute("SELECT * FROM no_such_table WHERE a = ?", [1]));
  note("many parameters", await prepared("SELECT ? + ? a, CONCAT(?, ?) b, ? IS NULL c, ? d", [1, 2, "é", "🦀", null, "2024-01-01"]));

  await rows("DROP TABLE IF EXISTS numbers");
  await rows("CREATE TABLE numbers (n INT PRIMARY KEY, half DOUBLE)");
  await db.query("INSERT INTO numbers VALUES ?", [[...Array(1000).keys()].map((n) => [n, n / 2])]);
  note("1000 rows, text", await rows("SELECT * FROM numbers ORDER BY n"));
  note("1000 rows, prepared", await prepared("SELECT * FROM numbers WHERE n >= ? ORDER BY n", [0]));
  await db.beginTransaction();
  note("affected", (await prepared("UPDATE numbers SET half = ? WHERE n = ?", [-1, 1])).affectedRows);
  note("inside", await prepared("SELECT half FROM numbers WHERE n = ?", [1]));
  await db.rollback();
  note("rolled back", await prepared("SELECT half FROM numbers WHERE n = ?", [1]));
  await db.beginTransaction();
  await rows("UPDATE numbers SET half = -2 WHERE n = 2");
  await db.commit();
  note("committed", await prepared("SELECT half FROM numbers WHERE n = ?", [2]));
  for (let n = 0; n < 50; n++) {
    await prepared("UPDATE numbers SET half = ? WHERE n = ?", [n, 3]);
    const [{ half }] = await prepared("SELECT half FROM numbers WHERE n = ?", [3]);
    if (half !== n) note("stale read", [n, half]);
  }
  const blob = Buffer.alloc(1 << 20, Buffer.from([...Array(256).keys()]));
  await rows("CREATE TABLE IF NOT EXISTS blobs (id INT PRIMARY KEY, content LONGBLOB)");
  await prepared("REPLACE INTO blobs VALUES (?, ?)", [1, blob]);
  const [{ content }] = await prepared("SELECT content FROM blobs WHERE id = ?", [1]);
  note("blob of 1 MiB", [content.length, content.equals(blob)]);
  await db.ping();
  await rows("DROP DATABASE drivers_node");
  await db.end();
  return seen;
}

async function main([endpoint, direct, user, password]) {
  const wanted = await observe(direct, user, password);
  const got = await observe(endpoint, user, password);
  for (let i = 0; i < Math.max(wanted.length, got.length); i++) {
    try { assert.deepStrictEqual(got[i], wanted[i]); }
    catch { throw new Error(`got ${JSON.stringify(got[i]).slice(0, 300)}, the primary gives ${JSON.stringify(wanted[i]).slice(0, 300)}`); }
  }
  const duplicate = new Map(got).get("duplicate key, prepared");
  if (duplicate[0] !== 1062) throw new Error(`duplicate key: ${duplicate}`);
}

main(process.argv.slice(2)).catch((error) => { console.error(error.message); process.exit(1); });
