<?php
// One login with PHP's mysqlnd and default options: login.php mysqli|pdo HOST PORT USER PASSWORD
[, $driver, $host, $port, $user, $password] = $argv;
try {
    if ($driver === 'mysqli') {
        $one = (new mysqli($host, $user, $password, '', (int) $port))->query('SELECT 1')->fetch_row()[0];
    } else {
        $one = (new PDO("mysql:host=$host;port=$port", $user, $password))->query('SELECT 1')->fetchColumn();
    }
    echo (string) $one === '1' ? "in\n" : "got $one\n";
} catch (Throwable $error) {
    $state = $error instanceof mysqli_sql_exception ? $error->getSqlState() : '';
    echo $error->getCode(), ' ', $state, ' ', $error->getMessage(), "\n";
    exit(1);
}
