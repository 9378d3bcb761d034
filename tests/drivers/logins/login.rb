# One login with Ruby's mysql2 and default options: login.rb HOST PORT USER PASSWORD
require "mysql2"

host, port, user, password = ARGV
begin
  client = Mysql2::Client.new(host: host, port: Integer(port), username: user, password: password)
  puts client.query("SELECT 1 AS one").first["one"] == 1 ? "in" : "got something else"
rescue Mysql2::Error => error
  puts "#{error.error_number} #{error.sql_state} #{error.message}"
  exit 1
end
