import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/** MariaDB Connector/J: a statement of ten seconds, cancelled by the driver: Cancel HOST PORT USER PASSWORD. */
public class Cancel {
    public static void main(String[] words) throws Exception {
        String url = "jdbc:mariadb://" + words[0] + ":" + words[1] + "/";
        try (Connection db = DriverManager.getConnection(url, words[2], words[3])) {
            Statement statement = db.createStatement();
            Thread canceller = new Thread(() -> {
                try {
                    Thread.sleep(300);
                    statement.cancel();
                } catch (Exception error) {
                    System.out.println("cancel: " + error.getMessage());
                }
            });
            long begin = System.currentTimeMillis();
            canceller.start();
            try (ResultSet rows = statement.executeQuery("SELECT SLEEP(10)")) {
                rows.next();
            } catch (SQLException error) {
                System.out.println(error.getErrorCode());
            }
            canceller.join();
            boolean inTime = System.currentTimeMillis() - begin < 5000;
            System.out.println(inTime ? "cancelled" : "not cancelled");
            System.exit(inTime ? 0 : 1);
        }
    }
}
