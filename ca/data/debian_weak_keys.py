#!/usr/bin/env python3
"""Makes `debian_weak_keys.bin`: fingerprints of the keys of Debian's broken OpenSSL (CVE-2008-0166).

From September 2006 to May 2008 Debian's OpenSSL hashed nothing of what was added to its generator of
random numbers but the length. So a key depends on the process number, on the octets of a `long` and their
order, and on whether `~/.rnd` was there, unreadable or missing, and on nothing else. This replays the
generator of OpenSSL 0.9.8 with that change and what `openssl ecparam -genkey`, `genrsa` and `req` did
with it: 32,768 process numbers, 32-bit little and big endian, 64-bit little endian.

    debian_weak_keys.py ec OUT            P-256 and P-384, some minutes
    debian_weak_keys.py rsa3072 OUT       about 100 hours of one core, 1.2 seconds a key; gmpy2 helps
    debian_weak_keys.py rsa4096 OUT       about 200 hours
    debian_weak_keys.py join OUT IN...    puts lists of fingerprints into the file of the build
    debian_weak_keys.py check             against keys that others made with the real programs

OUT of the first three is a list of fingerprints in hexadecimal. A fingerprint is the first five octets of
SHA-256 over the point's x (of fixed length) or over the RSA modulus, both big endian. Of half a million
fingerprints one in two million honest keys meets one by chance; its owner makes another. `--workers N`
and `--first PID --last PID` divide the work.

The file: 65,537 offsets of three octets, big endian, one for each value of the first two octets and the
end; then the other three octets of each fingerprint in order.
"""

import argparse
import copy
import functools
import hashlib
import math
import multiprocessing
import sys

try:
    from gmpy2 import powmod as power
except ImportError:
    power = pow

POOL = 1023
PLATFORMS = [(4, "little", 88), (8, "little", 144), (4, "big", 88)]  # octets of long, order, struct stat
SEED_FILES = ["read", "unreadable", "missing"]
ORDERS = {
    "P-256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "P-384": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
}


class Generator:
    """The generator of OpenSSL 0.9.8 without what is added."""

    def __init__(self, pid, platform):
        self.long, self.order, self.stat = platform
        self.pid = pid.to_bytes(4, self.order)
        # One octet more than the pool has may be touched: so it was.
        self.pool, self.digest, self.count = bytearray(POOL + 1), bytes(20), [0, 0]
        self.at, self.filled = 0, 0
        self.polled = self.stirred = self.time_added = False

    def counters(self, count):
        return b"".join(number.to_bytes(self.long, self.order) for number in count)

    def mix(self, octets, taken, limit, at):
        """XORs `octets` into the pool, wrapping at `limit`; `taken` is what is used of them."""
        for octet in octets[:taken]:
            self.pool[at] ^= octet
            at = at + 1 if at + 1 < limit else 0
        return at

    def piece(self, at, length, limit):
        over = at + length - limit
        if over <= 0:
            return bytes(self.pool[at : at + length])
        return bytes(self.pool[at : at + length - over]) + bytes(self.pool[:over])

    def add(self, length):
        at, digest, count = self.at, self.digest, list(self.count)
        self.at += length
        if self.at >= POOL:
            self.at, self.filled = self.at % POOL, POOL
        else:
            self.filled = max(self.filled, self.at)
        self.count[1] += -(-length // 20)
        for start in range(0, length, 20):
            part = min(20, length - start)
            digest = hashlib.sha1(digest + self.piece(at, part, POOL) + self.counters(count)).digest()
            count[1] += 1
            at = self.mix(digest, part, POOL, at)
        self.digest = bytes(a ^ b for a, b in zip(self.digest, digest))

    def poll(self):
        if not self.polled:
            self.polled = True
            for length in (32, self.long, self.long, self.long):
                self.add(length)

    def start(self, seed_file):
        """What the programs do with ~/.rnd first."""
        if seed_file != "missing":
            self.add(self.stat)
        if seed_file == "read":
            self.add(1024)
        else:
            self.poll()

    def stir(self):
        self.poll()
        if not self.stirred:
            self.stirred = True
            for _ in range(-(-POOL // 20)):
                self.add(20)

    def octets(self, length):
        self.stir()
        at, limit, digest, count = self.at, self.filled, self.digest, list(self.count)
        self.at += -(-length // 10) * 10
        if self.at > limit:
            self.at %= limit
        self.count[0] += 1
        pid = self.pid if any(self.pid) else b""
        made = bytearray()
        while length > 0:
            part = min(10, length)
            length -= part
            digest = hashlib.sha1(pid + digest + self.counters(count) + self.piece(at, 10, limit)).digest()
            pid = b""
            at = self.mix(digest, 10, limit, at)
            made += digest[10 : 10 + part]
        self.digest = hashlib.sha1(self.counters(count) + digest + self.digest).digest()
        return bytes(made)

    def number(self, bits, odd_and_long):
        if not self.time_added:
            self.add(self.long)
        self.time_added = False
        number = int.from_bytes(self.octets(-(-bits // 8)), "big") & ((1 << bits) - 1)
        return number | 3 << (bits - 2) | 1 if odd_and_long else number

    def below(self, limit):
        while (number := self.number(limit.bit_length(), False)) >= limit:
            pass
        return number


@functools.cache
def started(platform, seed_file):
    """A generator just before its first octet: so far no process number went in."""
    generator = Generator(0, platform)
    generator.start(seed_file)
    generator.add(generator.long)  # the time, which `number` adds first
    generator.time_added = True
    generator.stir()
    return generator


def generator_of(pid, platform, seed_file):
    generator = copy.copy(started(platform, seed_file))
    generator.pool, generator.count = bytearray(generator.pool), list(generator.count)
    generator.pid = pid.to_bytes(4, generator.order)
    return generator


def small_primes(count):
    primes = []
    candidate = 2
    while len(primes) < count:
        if all(candidate % prime for prime in primes if prime * prime <= candidate):
            primes.append(candidate)
        candidate += 1
    return primes


ODD_PRIMES = small_primes(2048)[1:]


def is_prime(generator, candidate, rounds):
    below = candidate - 1
    twos = (below & -below).bit_length() - 1
    for _ in range(rounds):
        witness = power(generator.below(below) + 1, below >> twos, candidate)
        if witness in (1, below):
            continue
        for _ in range(twos - 1):
            witness = witness * witness % candidate
            if witness in (1, below):
                break
        if witness != below:
            return False
    return True


def prime(generator, bits):
    rounds = 2 if bits >= 1300 else 3 if bits >= 850 else 4
    while True:
        candidate = generator.number(bits, True)
        residues = [(candidate % prime, prime) for prime in ODD_PRIMES]
        delta = 0
        while any((residue + delta) % prime <= 1 for residue, prime in residues):
            delta += 2
        if is_prime(generator, candidate + delta, rounds):
            return candidate + delta


def rsa_modulus(generator, bits, exponent=65537):
    def fit():
        while math.gcd((found := prime(generator, bits // 2)) - 1, exponent) != 1:
            pass
        return found

    first = second = fit()
    while second == first:
        second = fit()
    return (first * second).to_bytes(bits // 8, "big")


def point_x(generator, curve):
    from cryptography.hazmat.primitives.asymmetric import ec

    secret = 0
    while secret == 0:
        secret = generator.below(ORDERS[curve])
    made = ec.SECP256R1() if curve == "P-256" else ec.SECP384R1()
    public = ec.derive_private_key(secret, made).public_key().public_numbers()
    return public.x.to_bytes(made.key_size // 8, "big")


def fingerprint(octets):
    return hashlib.sha256(octets).digest()[:5].hex()


def of_pid(work):
    kind, pid = work
    lines = []
    for platform in PLATFORMS:
        for seed_file in SEED_FILES:
            for one in ["P-256", "P-384"] if kind == "ec" else [kind]:
                generator = generator_of(pid, platform, seed_file)
                if kind == "ec":
                    lines.append(fingerprint(point_x(generator, one)))
                else:
                    lines.append(fingerprint(rsa_modulus(generator, int(one[3:]))))
    return lines


def make(kind, out, first, last, workers):
    with multiprocessing.Pool(workers) as pool, open(out, "w") as file:
        for lines in pool.imap(of_pid, ((kind, pid) for pid in range(first, last + 1)), 16):
            print(*lines, sep="\n", file=file)


def join(out, lists):
    fingerprints = sorted({bytes.fromhex(line.strip()) for name in lists for line in open(name)})
    offsets, place = bytearray(), 0
    for bucket in range(65536):
        offsets += place.to_bytes(3, "big")
        while place < len(fingerprints) and fingerprints[place][:2] == bucket.to_bytes(2, "big"):
            place += 1
    offsets += place.to_bytes(3, "big")
    with open(out, "wb") as file:
        file.write(offsets + b"".join(one[2:] for one in fingerprints))
    print(f"{len(fingerprints)} fingerprints")


def check():
    """Beginnings of keys of process 10, as published by those who ran the old programs."""
    little32, little64, big32 = PLATFORMS
    for platform, seed_file, modulus in [
        (little64, "read", "d886e43d69c0ee905e63d47a"),
        (little64, "unreadable", "d7539ec13912ded687219266"),
        (little64, "missing", "cebb0f97705f9f89ba8e9481"),
        (little32, "unreadable", "b16983a830966015445323"),
        (little32, "missing", "cd459b2c018a57c29b0d20"),
    ]:
        generator = generator_of(10, platform, seed_file)
        assert rsa_modulus(generator, 2048).hex().startswith(modulus), (platform, seed_file)
    for platform, seed_file, curve, x in [
        (little64, "read", "P-256", "c9b65d46b4d692b1a892f490"),
        (little32, "missing", "P-384", "48a6e4875f4a746e83d4a6fb"),
        (big32, "unreadable", "P-256", "9abf9c553e2961eaa04c9a5a"),
    ]:
        generator = generator_of(10, platform, seed_file)
        assert point_x(generator, curve).hex().startswith(x), (platform, seed_file, curve)
    print("as published")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("act", choices=["ec", "rsa3072", "rsa4096", "join", "check"])
    parser.add_argument("out", nargs="?")
    parser.add_argument("lists", nargs="*")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--last", type=int, default=32767)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    if given.act == "check":
        check()
    elif given.out is None:
        sys.exit("where to?")
    elif given.act == "join":
        join(given.out, given.lists)
    else:
        make(given.act, given.out, given.first, given.last, given.workers)
