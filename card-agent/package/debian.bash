# What both Debian packages are made of; sourced by build-deb and build-deb-card, with $package, $package_program,
# $binary and $folder set. Leaves $root, where files go, $work, which goes away, $version and $architecture.

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
maintainer="${DEBFULLNAME:-The Sekisho authors} <${DEBEMAIL:-authors@sekisho.invalid}>"
version=$("$binary" --version | cut -d' ' -f2)
architecture=$(dpkg --print-architecture)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

install -D -m 755 "$binary" "$root/usr/bin/$package_program"
strip --strip-unneeded "$root/usr/bin/$package_program"

doc=$root/usr/share/doc/$package
install -d "$doc" "$root/DEBIAN"
gzip -9n <"$here/../../CHANGELOG.md" >"$doc/CHANGELOG.md.gz"
gzip -9n >"$doc/changelog.gz" <<CHANGELOG
$package ($version) unstable; urgency=medium

  * What changed is told in CHANGELOG.md.gz.

 -- $maintainer  $(date --rfc-email --date="@${SOURCE_DATE_EPOCH:-$(stat -c %Y "$binary")}")
CHANGELOG
{
    echo "Sekisho. License: MIT OR Apache-2.0; the latter is in /usr/share/common-licenses/Apache-2.0."
    echo
    cat "$here/../../LICENSE-MIT"
} >"$doc/copyright"

# What the binary is linked with, by the packages of the machine that built it.
mkdir -p "$work/debian"
printf 'Source: sekisho\n\nPackage: %s\nArchitecture: any\n' "$package" >"$work/debian/control"
linked=$(cd "$work" && dpkg-shlibdeps -O "$root/usr/bin/$package_program" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')

# Closes the package; its other fields and its description come by standard input.
build_package() {
    {
        echo "Package: $package"
        echo "Version: $version"
        echo "Architecture: $architecture"
        echo "Maintainer: $maintainer"
        echo "Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)"
        cat
    } >"$root/DEBIAN/control"
    local built="$folder/${package}_${version}_$architecture.deb"
    dpkg-deb --root-owner-group -Zgzip -z6 --build "$root" "$built" >/dev/null
    echo "$built"
}
