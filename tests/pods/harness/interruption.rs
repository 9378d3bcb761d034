//! Stops a container's script at a chosen command, so that a kill strikes exactly there.
//!
//! Knows what bash reads before a script. Must not know what the script does: it runs unchanged.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Where each container has it.
pub const FOLDER: &str = "/.interruption";

/// Read by every bash; only process 1 counts, and only at the start after it was armed. It stops by waiting: a process
/// 1 cannot kill itself.
const ENVIRONMENT: &str = r#"
if [ $$ -eq 1 ] && [ -s /.interruption/command ]; then
  commands_left=$(</.interruption/command)
  : >/.interruption/command
  interruption_reached() {
    printf '%s:%s' "${BASH_SOURCE[1]}" "${BASH_LINENO[0]}" >/.interruption/new
    /.machine/mv /.interruption/new /.interruption/reached
  }
  set -o functrace
  trap '((commands_left-- > 0)) || { interruption_reached; while :; do /.machine/sleep 1; done; }' DEBUG
fi
"#;

/// Makes the folder; armed if there is a command to stop at.
pub fn prepare(folder: &Path, command: Option<u32>) {
    fs::create_dir_all(folder).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    let _ = fs::remove_file(folder.join("reached"));
    fs::write(folder.join("environment"), ENVIRONMENT).unwrap();
    fs::write(folder.join("command"), command.map(|number| number.to_string()).unwrap_or_default()).unwrap();
    fs::set_permissions(folder.join("command"), fs::Permissions::from_mode(0o666)).unwrap();
}

/// The script and the line where it has stopped.
pub fn reached(folder: &Path) -> Option<String> {
    fs::read_to_string(folder.join("reached")).ok()
}
