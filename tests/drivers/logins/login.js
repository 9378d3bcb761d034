// One login with a driver's default options: login.js mysql|mysql2|mariadb HOST PORT USER PASSWORD
"use strict";
const [driver, host, port, user, password] = process.argv.slice(2);
// The default of npm's mariadb is one second, which is little on a busy machine.
const server = { host, port: Number(port), user, password, connectTimeout: 20000 };

function refused(error) {
  console.log(error.errno, error.sqlState ?? error.sqlStateMarker ?? "", error.code, error.sqlMessage ?? error.message);
  process.exit(1);
}

function done(error, rows) {
  if (error) refused(error);
  if (String(rows[0].one) !== "1") refused(new Error(`got ${JSON.stringify(rows)}`));
  console.log("in");
  process.exit(0);
}

if (driver === "mariadb") {
  require("mariadb").createConnection(server).then((db) => db.query("SELECT 1 AS one")).then((rows) => done(null, rows), refused);
} else {
  const db = require(driver).createConnection(server);
  db.connect((error) => (error ? refused(error) : db.query("SELECT 1 AS one", done)));
}
