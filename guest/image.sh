#!/usr/bin/env bash
# Make what a guest boots: Debian's kernel, an initramfs with its virtio drivers, and a disk with python3 and busybox.
# Only unpacked, never installed: no package's script runs, nothing is mounted, no root is needed. image.sh DIRECTORY
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
target=$(cd "$1" && pwd)
work=$target/.work
epoch=315532800 # what is made here bears this time; of the same packages kernel and initramfs have the same bytes, the disk the same files

# What packages of the list need besides, but a guest that is only unpacked does not.
unneeded='^(c?debconf|dpkg|install-info|perl.*|tar|openssl|ca-certificates|mailcap|mime-support|readline-common|gcc-.*-base|lib(perl|debian-installer|newt|slang|textwrap|gdbm|selinux|pcre2|acl|md0|zstd).*)$'
modules=(virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk failover net_failover
  virtio_net virtio-rng qemu_fw_cfg)

rm -rf "$work"
mkdir -p "$work"/{packages,kernel,root,early/bin,early/dev,early/root,early/modules}
cd "$work/packages"
kernel=$(apt-cache depends --important linux-image-cloud-amd64 | sed -n 's/^ *Depends: *\(linux-image-[^ ]*\)$/\1/p')
apt-cache depends --recurse --important python3 python3-venv busybox-static |
  grep '^[a-z]' | sort -u | grep -Ev "$unneeded" |
  xargs apt-get --option APT::Sandbox::User=root download --quiet=2 "$kernel"
for package in *.deb; do
  case $package in
    linux-image-*) dpkg-deb --extract "$package" "$work/kernel" ;;
    *) dpkg-deb --extract "$package" "$work/root" ;;
  esac
done

cd "$work/early"
cp ../root/bin/busybox bin/
cp "$here/early" init
for module in "${modules[@]}"; do
  find ../kernel/lib/modules -name "$module.ko" -exec cp {} modules/ \;
  echo "$module.ko" >>modules/order
done
chmod 755 init
find . -exec touch --no-dereference --date="@$epoch" {} +
find . -print0 | LC_ALL=C sort -z | cpio --quiet --null --create --format=newc --owner=0:0 --reproducible |
  gzip --no-name >../initramfs

cd "$work/root"
rm -rf usr/share/{doc,man,locale,lintian,bug} usr/lib/python3*/test
for applet in $(bin/busybox --list); do
  [[ -e bin/$applet || -e usr/bin/$applet ]] || ln -s busybox "bin/$applet"
done
mkdir -p proc sys dev run tmp root etc sbin srv/hfs usr/local/bin
cp "$here/init" sbin/init
cp -r "$here/../configs/services" srv/services
chmod 755 sbin/init
echo 'nameserver 10.0.2.3' >etc/resolv.conf
echo 'root:x:0:0:root:/root:/bin/sh' >etc/passwd
echo 'root:x:0:' >etc/group
echo '127.0.0.1 localhost' >etc/hosts
find . -exec touch --no-dereference --date="@$epoch" {} +
cd "$work"
truncate --size=2G disk # sparse
E2FSPROGS_FAKE_TIME=$epoch mke2fs -q -t ext4 -O ^has_journal -m 0 -d root -L hfs \
  -U 00000000-0000-4000-8000-000000000001 -E hash_seed=00000000-0000-4000-8000-000000000002,root_owner=0:0 disk
cp kernel/boot/vmlinuz-* kernel.image
mv disk initramfs "$target"
mv kernel.image "$target/kernel"
rm -r "$work"
