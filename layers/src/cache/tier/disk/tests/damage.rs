use super::{super::store::PANICKED, *};

/// Changes a file in one of the ways in which disks and people do.
fn mutate(content: &mut Vec<u8>, random: &mut impl FnMut() -> usize) {
    if content.is_empty() {
        return;
    }
    let at = random() % content.len();
    match random() % 6 {
        0 | 1 => content[at] ^= 1 << (random() % 8),
        2 => {
            let end = (at + 4096).min(content.len());
            content[at..end].fill(0);
        }
        3 => content.truncate(at),
        4 => content.extend((0..random() % 9000).map(|byte| byte.to_le_bytes()[0])),
        _ => {
            let from = random() % content.len();
            let len = (random() % 4096)
                .min(content.len() - from)
                .min(content.len() - at);
            content.copy_within(from..from + len, at);
        }
    }
}

/// Puts a directory back as it was.
fn restore(path: &Path, originals: &[(Vec<u8>, PathBuf)]) {
    use std::os::unix::fs::OpenOptionsExt;
    fs::remove_dir_all(path).unwrap();
    drop(Directory::open(path).unwrap());
    for (content, path) in originals {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        io::Write::write_all(&mut options.open(path).unwrap(), content).unwrap();
    }
}

#[tokio::test]
async fn c2_whatever_happens_to_the_files_no_byte_is_wrong() {
    let world = World::new();
    let tier = world.open();
    let sizes = |number: u32| {
        if number.is_multiple_of(5) {
            LARGE
        } else {
            SMALL
        }
    };
    for number in 0..40 {
        put(&tier, number, sizes(number));
    }
    tier.flush().await.unwrap();
    drop(tier);
    let originals: Vec<_> = files(&world.path())
        .into_iter()
        .map(|path| (fs::read(&path).unwrap(), path))
        .filter(|(content, _)| !content.is_empty())
        .collect();
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap()
    };
    let (mut hits, mut misses) = (0, 0);
    for round in 0..ROUNDS {
        let (content, path) = &originals[random() % originals.len()];
        let mut changed = content.clone();
        for _ in 0..=random() % 3 {
            mutate(&mut changed, &mut random);
        }
        if round % 10 == 0 {
            // Two files in each other's place.
            let (other, _) = &originals[random() % originals.len()];
            changed.clone_from(other);
        }
        fs::write(path, changed).unwrap();
        let tier = world.open();
        for number in 0..40 {
            match get(&tier, number, sizes(number)).await {
                Found::Hit(_) => hits += 1,
                _ => misses += 1,
            }
        }
        assert_ne!(tier.last_failure().as_deref(), Some(PANICKED));
        if round % 10 == 5 {
            // It goes on, with what was there or anew.
            assert!(hit_at_last(&tier, 1000, SMALL).await, "{round}");
        }
        drop(tier);
        restore(&world.path(), &originals);
    }
    assert!(
        hits > ROUNDS * 20 && misses > 0,
        "{hits} hits, {misses} misses"
    );
}

// A hundredth of the changes that `layers/benches/peers/run disk` makes.
const ROUNDS: usize = 500;
