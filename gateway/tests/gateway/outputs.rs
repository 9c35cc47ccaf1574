//! Standard output: what it is spared, and what becomes of those who can't write it.

use std::fs::File;
use std::io;
use std::process::Stdio;
use std::time::Instant;

use futures::SinkExt;
use rustix::process::Signal;
use stringphone::Transport;
use stringphone::tcp::Tcp;
use stringphone::transport::{Channels, Frame};

use crate::support::{Home, text};

#[test]
fn a_flood_of_refused_frames_is_a_line_now_and_then() {
    const FRAMES: u64 = 1000;
    let home = Home::new();
    let (mut up, told) = home.up(&[]);
    up.json("link_up");
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut stranger = Tcp::connect(text(&told, "address"));
    let mut link = runtime.block_on(stranger.connect(Channels::new([]).1)).unwrap();
    let mut send = |frames| {
        for _ in 0..frames {
            let frame = Frame::on("home".parse().unwrap(), vec![255; 3]);
            runtime.block_on(link.outgoing.send(frame)).unwrap();
        }
    };
    send(1);
    assert_eq!(up.json("refused")["reason"], "of an unknown type", "it is told at once");
    send(FRAMES);
    // `status` has counted all of them …
    while home.told(&["status"])[0]["refused"]["of an unknown type"] != FRAMES + 1 {}
    // … and hardly any was worth a line.
    up.signal(Signal::TERM);
    let rest = up.end().out;
    let lines = rest.matches("\"refused\"").count() as u64;
    assert!(lines <= 1 + begun.elapsed().as_secs() / 5, "{lines} more lines");
}

#[test]
fn what_can_not_be_written_is_no_success() {
    let home = Home::new();
    home.told(&["init"]);
    for command in [&["whoami"][..], &["up", "--listen", "127.0.0.1:0"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = home.command(command);
        let ended = command.stdin(Stdio::null()).stdout(full).output().unwrap();
        let told = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{told}");
        assert!(told.contains("standard output: "), "{told}");
    }
}

#[test]
fn a_reader_that_has_heard_enough_is_no_failure() {
    let home = Home::new();
    home.told(&["init"]);
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let ended = home.command(&["whoami"]).stdin(Stdio::null()).stdout(writer).output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()));
}
