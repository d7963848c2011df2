//! Each loss that the simulated disk knows is seen here at least once.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::{Call, Cut, Failure, Flavour, Persisted, SimDisk, SyncLoss, What, is_power_loss};
use crate::disk::{Disk, File, Lock, Open};

fn path(name: &str) -> &Path {
    Path::new(name)
}

fn create(disk: &SimDisk, name: &str) -> Arc<dyn File> {
    disk.open(path(name), Open::CreateNew).unwrap()
}

fn read(disk: &SimDisk, name: &str) -> Option<Vec<u8>> {
    (disk as &dyn Disk).read(path(name), 1 << 20).unwrap()
}

/// A machine with `/d/old`, durable: 1,000 bytes of 1.
fn machine() -> SimDisk {
    let disk = SimDisk::new(7);
    disk.put(path("/d/old"), &[1; 1000]).unwrap();
    disk
}

fn crash(disk: &SimDisk, flavour: Flavour) -> SimDisk {
    disk.now().crash(Persisted { seed: 1, flavour })
}

/// What `name` is in every state that `seeds` give.
fn variants(cut: &Cut, flavour: fn(u64) -> Flavour, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    (0..200).map(|seed| read(&cut.crash(Persisted { seed, flavour: flavour(seed) }), name)).collect()
}

#[test]
fn synced_bytes_and_names_survive_every_flavour() {
    let disk = machine();
    let file = create(&disk, "/d/new");
    file.write_all_at(&[2; 700], 0).unwrap();
    file.sync().unwrap();
    disk.sync_dir(path("/d")).unwrap();
    file.write_all_at(&[3; 900], 700).unwrap();
    create(&disk, "/d/other").write_all_at(&[4; 10], 0).unwrap();
    let cut = disk.now();
    for persisted in cut.ways(300, 5) {
        let after = cut.crash(persisted);
        assert_eq!(read(&after, "/d/old").unwrap(), [1; 1000], "{persisted}");
        assert_eq!(read(&after, "/d/new").unwrap()[..700], [2; 700], "{persisted}");
    }
}

#[test]
fn a_name_is_lost_until_its_directory_is_synced() {
    let disk = machine();
    let file = create(&disk, "/d/new");
    file.write_all_at(b"new", 0).unwrap();
    file.sync().unwrap();
    assert_eq!(read(&crash(&disk, Flavour::Nothing), "/d/new"), None);
    assert_eq!(read(&crash(&disk, Flavour::DataWithoutNames), "/d/new"), None);
    assert_eq!(read(&crash(&disk, Flavour::NamesWithoutData), "/d/new").unwrap(), b"new");
    disk.sync_dir(path("/d")).unwrap();
    assert_eq!(read(&crash(&disk, Flavour::Nothing), "/d/new").unwrap(), b"new");
}

#[test]
fn a_directory_is_lost_with_all_in_it_until_its_parent_is_synced() {
    let disk = machine();
    disk.create_dir(path("/d/sub/deep")).unwrap();
    create(&disk, "/d/sub/deep/file").sync().unwrap();
    disk.sync_dir(path("/d/sub/deep")).unwrap();
    disk.sync_dir(path("/d/sub")).unwrap();
    assert_eq!(read(&crash(&disk, Flavour::Nothing), "/d/sub/deep/file"), None);
    disk.sync_dir(path("/d")).unwrap();
    assert_eq!(read(&crash(&disk, Flavour::Nothing), "/d/sub/deep/file").unwrap(), b"");
}

#[test]
fn a_rename_can_overtake_its_data_or_be_undone() {
    let disk = machine();
    create(&disk, "/d/new").write_all_at(&[2; 600], 0).unwrap();
    disk.rename(path("/d/new"), path("/d/old")).unwrap();
    assert_eq!(read(&disk, "/d/old").unwrap(), [2; 600]);
    assert_eq!(read(&crash(&disk, Flavour::NamesWithoutData), "/d/old").unwrap(), b"");
    assert_eq!(read(&crash(&disk, Flavour::SizeWithoutData), "/d/old").unwrap(), [0; 600]);
    assert_eq!(read(&crash(&disk, Flavour::DataWithoutNames), "/d/old").unwrap(), [1; 1000]);
    assert_eq!(read(&crash(&disk, Flavour::Everything), "/d/new"), None);
}

#[test]
fn a_removed_file_may_come_back() {
    let disk = machine();
    disk.remove(path("/d/old")).unwrap();
    assert_eq!(read(&disk, "/d/old"), None);
    assert_eq!(read(&crash(&disk, Flavour::Nothing), "/d/old").unwrap(), [1; 1000]);
    assert_eq!(read(&crash(&disk, Flavour::Everything), "/d/old"), None);
    let names = variants(&disk.now(), |_| Flavour::SomeNames, "/d/old");
    assert_eq!(names.len(), 2);
}

#[test]
fn each_prefix_of_the_changes_can_be_what_is_left() {
    let disk = machine();
    let file = disk.open(path("/d/old"), Open::Write).unwrap();
    for value in 2..6 {
        file.write_all_at(&[value], 0).unwrap();
    }
    for length in 0..5 {
        let after = crash(&disk, Flavour::Prefix(length));
        assert_eq!(read(&after, "/d/old").unwrap()[0], 1 + length as u8);
    }
}

#[test]
fn sectors_are_kept_and_lost_one_by_one() {
    let disk = machine();
    let file = disk.open(path("/d/old"), Open::Write).unwrap();
    file.write_all_at(&[2; 1500], 0).unwrap();
    let seen = variants(&disk.now(), |_| Flavour::Sectors, "/d/old");
    // Each of three sectors is old or new, and the length is 1,000 or 1,500.
    let kinds: BTreeSet<(u8, u8, usize)> = seen
        .iter()
        .flatten()
        .map(|bytes| {
            assert!(bytes[..512].iter().all(|&byte| byte == bytes[0]));
            (bytes[0], bytes[600], bytes.len())
        })
        .collect();
    assert_eq!(kinds.len(), 8, "{kinds:?}");
    assert!(seen.iter().flatten().any(|bytes| bytes.len() == 1500 && bytes[1200..] == [0; 300]));
}

#[test]
fn a_later_change_of_a_sector_brings_the_earlier_one_along() {
    let disk = machine();
    let file = disk.open(path("/d/old"), Open::Write).unwrap();
    file.write_all_at(&[2; 10], 0).unwrap();
    file.write_all_at(&[3; 10], 10).unwrap();
    let seen = variants(&disk.now(), |_| Flavour::Sectors, "/d/old");
    let kinds: BTreeSet<(u8, u8)> = seen.iter().flatten().map(|bytes| (bytes[0], bytes[10])).collect();
    assert_eq!(kinds, BTreeSet::from([(1, 1), (2, 1), (2, 3)]));
}

#[test]
fn a_torn_write_leaves_a_part_and_garbage() {
    let disk = machine();
    let file = disk.open(path("/d/old"), Open::Write).unwrap();
    file.write_all_at(&[2; 2000], 1000).unwrap();
    let seen = variants(&disk.now(), |_| Flavour::Torn(0), "/d/old");
    assert!(seen.len() > 50, "{}", seen.len());
    let garbage = |byte: &u8| *byte != 2;
    assert!(seen.iter().flatten().any(|bytes| bytes.len() % 512 == 0 && bytes[1000..].iter().any(garbage)));
    for bytes in seen.iter().flatten() {
        assert_eq!(bytes[..1000], [1; 1000], "a write changes nothing beside it");
        let kept = bytes[1000..].iter().take_while(|byte| **byte == 2).count();
        assert!(
            bytes.len() <= (1000 + kept + 2).next_multiple_of(512).min(3000),
            "{kept} of {}",
            bytes.len()
        );
    }
}

#[test]
fn the_tail_can_be_zeros() {
    let disk = machine();
    let file = disk.open(path("/d/old"), Open::Write).unwrap();
    file.write_all_at(&[2; 4000], 1000).unwrap();
    let seen = variants(&disk.now(), |_| Flavour::ZeroTail, "/d/old");
    assert!(seen.len() > 5);
    for bytes in seen.iter().flatten() {
        assert_eq!((bytes.len(), &bytes[..1000]), (5000, &[1; 1000][..]));
        let kept = bytes[1000..].iter().take_while(|byte| **byte == 2).count();
        assert!(bytes[1000 + kept..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn cutting_off_a_tail_can_be_undone() {
    let disk = machine();
    let file = disk.open(path("/d/old"), Open::Write).unwrap();
    file.set_len(10).unwrap();
    file.set_len(1000).unwrap();
    let seen = variants(&disk.now(), |_| Flavour::Sectors, "/d/old");
    let kinds: BTreeSet<(usize, bool)> =
        seen.iter().flatten().map(|bytes| (bytes.len(), bytes.get(100) == Some(&1))).collect();
    assert!(kinds.is_superset(&BTreeSet::from([(10, false), (1000, false), (1000, true)])), "{kinds:?}");
    file.sync().unwrap();
    assert_eq!(read(&crash(&disk, Flavour::Nothing), "/d/old").unwrap()[10..], [0; 990]);
}

#[test]
fn every_call_after_a_power_cut_fails_for_every_process() {
    let disk = machine();
    let (file, other) = (create(&disk, "/d/a"), disk.process());
    disk.cut_at(disk.changes() + 1);
    file.write_all_at(b"a", 0).unwrap();
    let error = file.write_all_at(b"b", 0).unwrap_err();
    assert!(is_power_loss(&error));
    assert!(is_power_loss(&file.len().unwrap_err()));
    assert!(is_power_loss(&other.list(path("/d")).unwrap_err()));
    assert_eq!(read(&crash(&disk, Flavour::Everything), "/d/a").unwrap(), b"a");
}

#[test]
fn a_killed_process_loses_its_locks_and_nothing_else() {
    let disk = machine();
    let other = disk.process();
    let file = disk.open(path("/d/old"), Open::Write).unwrap();
    let others = other.open(path("/d/old"), Open::Write).unwrap();
    file.write_all_at(b"x", 0).unwrap();
    file.lock(Lock::Exclusive).unwrap();
    assert!(!others.try_lock(Lock::Shared).unwrap());
    disk.kill_at(disk.changes());
    assert!(is_power_loss(&file.sync().unwrap_err()));
    assert!(others.try_lock(Lock::Exclusive).unwrap());
    assert_eq!(read(&other, "/d/old").unwrap()[0], b'x');
    let same_boot = disk.now().kill();
    assert_eq!(read(&same_boot, "/d/old").unwrap()[0], b'x');
    assert_eq!(same_boot.world().boot_id, other.world().boot_id);
    assert_ne!(crash(&disk, Flavour::Nothing).world().boot_id, other.world().boot_id);
}

#[test]
fn locks_are_shared_or_alone_and_end_with_their_handle() {
    let disk = machine();
    let open = || disk.open(path("/d/old"), Open::Read).unwrap();
    let (one, two) = (open(), open());
    assert!(one.try_lock(Lock::Shared).unwrap() && two.try_lock(Lock::Shared).unwrap());
    assert!(!one.try_lock(Lock::Exclusive).unwrap());
    drop(two);
    assert!(one.try_lock(Lock::Exclusive).unwrap());
    let three = open();
    assert_eq!(three.lock(Lock::Shared).unwrap_err().kind(), ErrorKind::Deadlock);
    one.unlock().unwrap();
    three.lock(Lock::Shared).unwrap();
}

#[test]
fn a_lock_is_waited_for_across_threads() {
    let disk = machine();
    let first = disk.open(path("/d/old"), Open::Write).unwrap();
    first.lock(Lock::Exclusive).unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            let file = disk.open(path("/d/old"), Open::Write).unwrap();
            file.lock(Lock::Exclusive).unwrap();
            let mut byte = [0];
            file.read_exact_at(&mut byte, 0).unwrap();
            byte[0]
        });
        first.write_all_at(&[9], 0).unwrap();
        first.unlock().unwrap();
        assert_eq!(second.join().unwrap(), 9);
    });
}

#[test]
fn a_recorded_run_gives_a_machine_before_each_change() {
    let disk = machine();
    disk.record();
    let file = create(&disk, "/d/a");
    disk.mark(1);
    file.write_all_at(b"a", 0).unwrap();
    file.sync().unwrap();
    let cuts = disk.cuts();
    let calls: Vec<(&str, u64, u32)> =
        cuts.iter().map(|cut| (cut.call.split(' ').next().unwrap(), cut.mark, cut.pending())).collect();
    assert_eq!(calls, [("create", 0, 0), ("write", 1, 1), ("sync", 1, 2), ("the", 1, 1)]);
    assert_eq!(cuts[0].ways(100, 0).len(), 1, "nothing pending, nothing to choose");
    assert_eq!(cuts[2].ways(100, 0).len(), 100);
}

#[test]
fn errors_strike_once_or_for_good() {
    let disk = machine();
    let file = disk.open(path("/d/old"), Open::Write).unwrap();
    let write = |value: u8| file.write_at(&[value; 100], 0).map_err(|error| error.kind());
    let next = |what, once| disk.fail(Failure::new(disk.calls(), what, once));
    next(What::Io(SyncLoss::Ghost), true);
    assert_eq!((write(2), write(3)), (Err(ErrorKind::Other), Ok(100)));
    next(What::IoDone, true);
    assert_eq!(write(4), Err(ErrorKind::Other));
    assert_eq!(read(&disk, "/d/old").unwrap()[0], 4);
    next(What::Short, true);
    assert_eq!((write(5), write(5)), (Ok(50), Ok(100)));
    next(What::Interrupted, false);
    assert_eq!(write(6), Err(ErrorKind::Interrupted));
    file.write_all_at(&[7], 0).unwrap();
    next(What::Io(SyncLoss::Ghost), false);
    assert_eq!((write(2), write(3)), (Err(ErrorKind::Other), Err(ErrorKind::Other)));
    file.len().unwrap();
    disk.heal();
    write(8).unwrap();
}

#[test]
fn a_full_disk_takes_what_fits_and_no_more() {
    let disk = machine();
    let file = disk.open(path("/d/old"), Open::Write).unwrap();
    disk.fail(Failure::new(disk.calls(), What::NoSpace, false));
    assert_eq!(file.write_at(&[2; 10], 1000).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.write_at(&[2; 10], 990).unwrap(), 10);
    let made = disk.open(path("/d/new"), Open::CreateNew).map(drop);
    assert_eq!(made.unwrap_err().kind(), ErrorKind::StorageFull);
    disk.heal();
    assert_eq!(file.write_at(&[2; 10], 1000).unwrap(), 10);
}

#[test]
fn a_failed_sync_drops_its_pages_at_once_or_at_the_next_boot() {
    for loss in [SyncLoss::Dropped, SyncLoss::Ghost] {
        let disk = machine();
        let file = disk.open(path("/d/old"), Open::Write).unwrap();
        file.write_all_at(&[2; 200], 900).unwrap();
        disk.fail(Failure::new(disk.calls(), What::Io(loss), true));
        file.sync().unwrap_err();
        file.sync().unwrap();
        let seen = read(&disk, "/d/old").unwrap();
        assert_eq!(seen.len(), 1100);
        assert_eq!(seen[900] == 2, loss == SyncLoss::Ghost);
        let after = read(&crash(&disk, Flavour::Everything), "/d/old").unwrap();
        assert_eq!(after, [1; 1000], "{loss:?}: a sync that succeeds later does not bring them back");
    }
}

#[test]
fn a_lying_disk_answers_a_sync_and_does_nothing() {
    let disk = machine();
    disk.ignore_syncs_of("old");
    let file = disk.open(path("/d/old"), Open::Write).unwrap();
    file.write_all_at(&[2], 0).unwrap();
    file.sync().unwrap();
    assert_eq!(read(&crash(&disk, Flavour::Nothing), "/d/old").unwrap()[0], 1);
}

#[test]
fn the_same_seed_gives_the_same_disk_and_its_name_can_be_read_back() {
    let disk = machine();
    let file = disk.open(path("/d/old"), Open::Write).unwrap();
    for round in 0..8 {
        file.write_all_at(&[round; 700], u64::from(round) * 500).unwrap();
    }
    let cut = disk.now();
    for persisted in cut.ways(200, 3) {
        let again: Persisted = persisted.to_string().parse().unwrap();
        assert_eq!(again, persisted);
        assert_eq!(cut.crash(persisted).files(), cut.crash(again).files());
    }
    assert!("Sectors".parse::<Persisted>().is_err() && "Nowhere:1".parse::<Persisted>().is_err());
}

#[test]
fn calls_on_the_wrong_thing_are_refused_as_a_real_disk_does() {
    let disk = machine();
    let kind = |result: std::io::Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(disk.open(path("/d/none"), Open::Write).map(drop)), ErrorKind::NotFound);
    assert_eq!(kind(disk.open(path("/d/old"), Open::CreateNew).map(drop)), ErrorKind::AlreadyExists);
    assert_eq!(kind(disk.open(path("/d/old/x"), Open::Create).map(drop)), ErrorKind::NotADirectory);
    assert_eq!(kind(disk.list(path("/none")).map(drop)), ErrorKind::NotFound);
    assert_eq!(kind(disk.remove(path("/d"))), ErrorKind::IsADirectory);
    let file = disk.open(path("/d/old"), Open::Read).unwrap();
    assert_eq!(kind(file.write_at(&[1], 0).map(drop)), ErrorKind::PermissionDenied);
    assert!(Call::Write.is_change() && !Call::Read.is_change());
}

#[test]
fn a_file_that_cannot_be_replaced_stays_and_nothing_is_left_beside_it() {
    let machine = SimDisk::new(3);
    let disk: &dyn Disk = &machine;
    let path = path("/note");
    disk.replace(path, b"one").unwrap();
    let mut failed = 0;
    for call in 0..5 {
        machine.fail(Failure::new(machine.calls() + call, What::NoSpace, true));
        failed += u32::from(disk.replace(path, b"two").is_err());
        machine.heal();
        let names: Vec<_> = machine.files().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [path], "call {call}");
        disk.replace(path, b"one").unwrap();
    }
    assert!(failed > 1, "{failed}");
}
