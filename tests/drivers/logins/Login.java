import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;

/** MariaDB Connector/J: one login with its default options: Login HOST PORT USER PASSWORD. */
public class Login {
    public static void main(String[] words) throws Exception {
        String url = "jdbc:mariadb://" + words[0] + ":" + words[1] + "/";
        try (Connection db = DriverManager.getConnection(url, words[2], words[3])) {
            ResultSet rows = db.createStatement().executeQuery("SELECT 1");
            rows.next();
            System.out.println(rows.getInt(1) == 1 ? "in" : "got something else");
        } catch (SQLException error) {
            System.out.println(error.getErrorCode() + " " + error.getSQLState() + " " + error.getMessage());
            System.exit(1);
        }
    }
}
