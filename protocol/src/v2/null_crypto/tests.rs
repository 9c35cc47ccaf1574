use super::*;

fn secret(byte: u8) -> SecretBytes {
    SecretBytes::new(&[byte; 32])
}

#[test]
fn a_hash_is_over_all_parts_together_and_another_with_each_label_key_and_byte() {
    assert_eq!(hash("a", &[b"bc", b"d"]), hash("a", &[b"b", b"", b"cd"]));
    let all = [
        hash("a", &[b"bcd"]),
        hash("ab", &[b"cd"]),
        hash("a", &[b"bce"]),
        hash("a", &[b"bcd\0"]),
        *kdf(&[1; 32], "a", &[b"bcd"]).expose(),
        *kdf(&[2; 32], "a", &[b"bcd"]).expose(),
    ];
    for (place, one) in all.iter().enumerate() {
        assert!(!all[place + 1..].contains(one), "{place}");
    }
}

#[test]
fn each_changed_bit_changes_the_hash() {
    let bytes = [7; 100];
    let whole = hash("a", &[&bytes]);
    for bit in 0..800 {
        let mut changed = bytes;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(hash("a", &[&changed]), whole, "bit {bit}");
    }
}

#[test]
fn a_signature_is_by_its_signer_over_its_message() {
    let [one, two] = [1, 2].map(|seed| Identity::from_seed(&[seed; 32]));
    let key = |identity: &Identity| crate::roster::verifying_key(&identity.public_key()).unwrap();
    let signature = sign(&one, b"m");
    assert!(verifies(&key(&one), b"m", &signature));
    assert!(!verifies(&key(&two), b"m", &signature));
    assert!(!verifies(&key(&one), b"n", &signature));
    assert_ne!(sign(&one, b"n")[..24], signature[..24], "the nonce");
    for byte in 0..64 {
        let mut changed = signature;
        changed[byte] ^= 1;
        assert!(!verifies(&key(&one), b"m", &changed), "{byte}");
    }
}

#[test]
fn what_is_sealed_opens_with_the_same_key_nonce_and_data() {
    let (key, other) = (MessageKey::new(&secret(1)), MessageKey::new(&secret(2)));
    let mut body = *b"body";
    let tag = key.seal([0; 24], b"ad", &mut body).unwrap();
    assert!(key.open([0; 24], b"ad", &mut body.clone(), &tag));
    assert!(!other.open([0; 24], b"ad", &mut body.clone(), &tag));
    assert!(!key.open([1; 24], b"ad", &mut body.clone(), &tag));
    assert!(!key.open([0; 24], b"da", &mut body.clone(), &tag));
    assert!(!key.open([0; 24], b"ad", &mut b"bodY".to_vec(), &tag));
    assert!(!key.open([0; 24], b"ad", &mut body, &tag[..15]));
}

#[test]
fn what_is_sealed_to_a_key_opens_with_its_secret_info_and_psk() {
    let suite = Suite::X25519;
    let public = kem_public(suite, &[1; 32]);
    let psk = secret(9);
    let sealing = Sealing { suite, to: &public, info: b"info", psk: Some(&psk) };
    let sealed = kem_seal(&sealing, b"key", || secret(3)).unwrap();
    let open = |own: u8, info: &[u8], psk: Option<&SecretBytes>| {
        kem_open(suite, &[own; 32], &sealed, info, psk).map(|opened| opened.to_vec())
    };
    assert_eq!(open(1, b"info", Some(&psk)).as_deref(), Some(&b"key"[..]));
    assert_eq!(open(2, b"info", Some(&psk)), None);
    assert_eq!(open(1, b"other", Some(&psk)), None);
    assert_eq!(open(1, b"info", Some(&secret(8))), None);
    assert_eq!(open(1, b"info", None), None);
    let weak = Sealing { to: &[0; 32], ..sealing };
    assert_eq!(kem_seal(&weak, b"key", || secret(3)), None);
}

#[test]
fn a_pin_gives_both_sides_one_key() {
    let mut entropy = Counting(0);
    let mut exchange = |theirs: &str| {
        let (a, share_a) = PinExchange::newcomer("123456", b"name", &mut entropy);
        let (b, share_b) = PinExchange::keeper(theirs, b"name", &mut entropy);
        let (a, b) = (a.finish(&share_b).unwrap(), b.finish(&share_a).unwrap());
        a.expose() == b.expose()
    };
    assert!(exchange("123456"));
    assert!(!exchange("123457"));
}

/// Never the same twice.
struct Counting(u64);

impl rand_core::TryRng for Counting {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.0 += 1;
        Ok(self.0 as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.0 += 1;
        Ok(self.0)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        self.0 += 1;
        out.fill(self.0 as u8);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Counting {}
