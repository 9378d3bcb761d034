-- What the command line clients do; run with --force, so that errors are written down and the rest goes on.
SELECT DATABASE();
CREATE DATABASE IF NOT EXISTS drivers_cli;
USE drivers_cli;
SELECT DATABASE();
DROP TABLE IF EXISTS kinds;
CREATE TABLE kinds (id INT PRIMARY KEY AUTO_INCREMENT, tiny TINYINT, big BIGINT, huge BIGINT UNSIGNED, single FLOAT, dbl DOUBLE,
  exact DECIMAL(20,6), bits BIT(8), day DATE, span TIME(3), moment DATETIME(6), yr YEAR, word VARCHAR(200) UNIQUE, raw BLOB,
  choice ENUM('a','b'), choices SET('x','y','z'), doc JSON) CHARACTER SET utf8mb4;
INSERT INTO kinds VALUES (1, -128, -9223372036854775808, 18446744073709551615, 1.5, 3.141592653589793, 12345678901234.567890,
  b'1100101', '2024-02-29', '-05:00:00.250', '1999-12-31 23:59:59.123456', 2024, 'zwölf 🦀 '' " \\ end', x'00017fff', 'b', 'x,z',
  '{"k": [1, null, "ü"]}');
INSERT INTO kinds (id, word) VALUES (2, 'all else is NULL');
SELECT * FROM kinds ORDER BY id;
SELECT HEX(word), HEX(raw), bits + 0 FROM kinds ORDER BY id;
INSERT INTO kinds (id, word) VALUES (3, 'all else is NULL');
SELECT * FROM no_such_table;
SELEC 1;
SELECT * FROM kinds WHERE id > 100;
PREPARE q FROM 'SELECT ? + 1, CONCAT(?, ?)';
SET @a = 1, @b = 'é', @c = '🦀';
EXECUTE q USING @a, @b, @c;
SET @a = 2, @b = NULL;
EXECUTE q USING @a, @b, @c;
DEALLOCATE PREPARE q;
CREATE TABLE numbers (n INT PRIMARY KEY, half DOUBLE);
INSERT INTO numbers SELECT a.n + 10 * b.n, a.n / 2 FROM
  (SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7) a,
  (SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7) b;
SELECT * FROM numbers ORDER BY n;
BEGIN;
UPDATE numbers SET half = -1 WHERE n = 1;
SELECT * FROM numbers WHERE n = 1;
ROLLBACK;
SELECT * FROM numbers WHERE n = 1;
SET autocommit = 0;
UPDATE numbers SET half = -2 WHERE n = 2;
COMMIT;
SET autocommit = 1;
SELECT * FROM numbers WHERE n = 2;
CREATE TABLE blobs (id INT PRIMARY KEY, content LONGBLOB);
INSERT INTO blobs VALUES (1, REPEAT(x'00017fff', 262144));
SELECT LENGTH(content), MD5(content) FROM blobs;
SELECT content FROM blobs;
SHOW TABLES;
SHOW WARNINGS;
DELIMITER //
CREATE PROCEDURE two() BEGIN SELECT 1; SELECT 2, 3; END//
CALL two()//
DELIMITER ;
DROP DATABASE drivers_cli;
