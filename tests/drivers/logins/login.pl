# One login with Perl's DBI and default options: login.pl MariaDB|mysql HOST PORT USER PASSWORD
use strict;
use warnings;
use DBI;

my ($driver, $host, $port, $user, $password) = @ARGV;
my $db = DBI->connect("DBI:$driver:host=$host;port=$port", $user, $password, { PrintError => 0 });
unless ($db) {
    printf "%s %s %s\n", $DBI::err, $DBI::state, $DBI::errstr;
    exit 1;
}
my ($one) = $db->selectrow_array("SELECT 1");
print defined $one && $one eq '1' ? "in\n" : "got nothing\n";
