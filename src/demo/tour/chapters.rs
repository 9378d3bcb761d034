//! What the walk shows, in its order.
//!
//! Knows the statements. Must not know how they are run or proven.

use super::TourError;
use super::stage::Stage;

const READ: &str = "SELECT name FROM pets WHERE id = 1";
/// The same for a session that is in no database.
const READ_FROM_ANYWHERE: &str = "SELECT name FROM app.pets WHERE id = 1";

/// All of it.
pub(super) fn all(stage: &mut Stage) -> Result<(), TourError> {
    writes_and_reads(stage)?;
    not_every_select(stage)?;
    a_transaction(stage)?;
    prepared_statements(stage)?;
    session_state(stage)?;
    a_temporary_table(stage)?;
    a_replica_dies(stage)
}

fn writes_and_reads(stage: &mut Stage) -> Result<(), TourError> {
    stage.chapter("1. Writes go to the primary, reads to a replica")?;
    stage.show("USE app")?;
    stage.show("CREATE TABLE pets (id INT PRIMARY KEY, name VARCHAR(20))")?;
    stage.show("INSERT INTO pets VALUES (1, 'Rex'), (2, 'Mia')")?;
    stage.say("Read back at once: by a replica if one is known to have the row, else by the primary.")?;
    stage.show(READ)?;
    stage.settle()?;
    stage.say("A moment later the replicas have it:")?;
    stage.show(READ)?;
    stage.show("SELECT COUNT(*) FROM pets")?;
    stage.say("Any client may ask where its last statement went:")?;
    stage.show_route()
}

fn not_every_select(stage: &mut Stage) -> Result<(), TourError> {
    stage.chapter("2. Not every SELECT is just a read, and not every keyword is one")?;
    stage.show("SELECT name FROM pets WHERE id = 1 FOR UPDATE")?;
    stage.show("SELECT 'DELETE FROM pets' AS a_text_only")?;
    stage.show("SELECT @@read_only")?;
    stage.show("/* proxy:primary */ SELECT name FROM pets WHERE id = 2")
}

fn a_transaction(stage: &mut Stage) -> Result<(), TourError> {
    stage.chapter("3. A transaction stays on the primary until it ends")?;
    stage.show("BEGIN")?;
    stage.show("UPDATE pets SET name = 'Max' WHERE id = 1")?;
    stage.show(READ)?;
    stage.show("COMMIT")?;
    stage.settle()?;
    stage.show(READ)
}

fn prepared_statements(stage: &mut Stage) -> Result<(), TourError> {
    stage.chapter("4. Prepared statements go where their text would go")?;
    stage.show_prepared("SELECT name FROM pets WHERE id = ?", &["2"])?;
    stage.show_prepared("UPDATE pets SET name = ? WHERE id = ?", &["Lia", "2"])?;
    stage.settle()?;
    stage.show_prepared("SELECT name FROM pets WHERE id = ?", &["2"])
}

fn session_state(stage: &mut Stage) -> Result<(), TourError> {
    stage.chapter("5. What a session has set goes with it")?;
    stage.show("/* proxy:primary */ SELECT @@time_zone")?;
    stage.show("SET time_zone = '+09:00'")?;
    stage.show("SELECT @@time_zone")?;
    stage.show("/* proxy:primary */ SELECT @@time_zone")?;
    stage.show("SET @pet = 2")?;
    stage.show("SELECT name FROM pets WHERE id = @pet")
}

fn a_temporary_table(stage: &mut Stage) -> Result<(), TourError> {
    stage.chapter("6. What lives on one connection pins the session, and no longer than it lives")?;
    stage.show("CREATE TEMPORARY TABLE basket (pet INT)")?;
    stage.show("INSERT INTO basket VALUES (1)")?;
    stage.show("SELECT name FROM pets JOIN basket ON pet = id")?;
    stage.show(READ)?;
    stage.show("DROP TEMPORARY TABLE basket")?;
    stage.settle()?;
    stage.show(READ)
}

fn a_replica_dies(stage: &mut Stage) -> Result<(), TourError> {
    stage.chapter("7. A replica dies while we read")?;
    stage.show(READ)?;
    let victim = stage.serving_replica(READ)?;
    stage.kill(victim)?;
    stage.show(READ)?;
    stage.read_on(READ, 50)?;
    stage.bring_back(victim, READ_FROM_ANYWHERE)
}
