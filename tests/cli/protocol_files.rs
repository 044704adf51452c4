//! The protocol files that ship.

use soakrig::drivers::file::shipped::SHIPPED;

#[test]
fn every_file_in_protocols_ships() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/protocols");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = files.filter_map(|name| name.strip_suffix(".toml").map(str::to_owned)).collect();
    names.sort_unstable();
    assert_eq!(names, SHIPPED.map(|file| file.name.to_owned()));
}
