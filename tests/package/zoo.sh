#!/bin/sh
# zoo.sh SOURCE - the front door in a world of its own: a copy of `zoo` in a folder with a space, a PATH of a few real tools, and impostors for
# package managers, compiler, Meson and Ninja that write down how they were called. Nothing is installed, nothing is built.
# shellcheck disable=SC2016,SC2317  # impostors expand their own words; the predicates are called by holds
set -eu
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
source=$(absolute "$1")
begin

# world NAME MANAGER...: a fresh tree and PATH with these package managers.
world() {
    here="$work/$1 world"
    shift
    bin=$here/bin
    tree="$here/a tree"
    calls=$here/calls
    mkdir -p "$bin" "$tree/tests"
    cp "$source/zoo" "$tree/zoo"
    printf 'echo "tests of $*"\n' >"$tree/tests/run.sh"
    : >"$calls"
    for tool in sh cat sed mkdir dirname head tail wc find rm tr env touch chmod cp grep readlink cksum cut; do ln -s "$(command -v $tool)" "$bin/$tool"; done
    impostor id 'echo 0'
    for manager; do impostor "$manager" 'install_all "$@"'; done
}

# impostor NAME BODY: a command that records its call and runs BODY.
impostor() {
    cat >"$bin/$1" <<END
#!/bin/sh
echo "$1 \$*" >>"$calls"
install_all() { case "\$*" in *install*|*-S*) cp "$here"/shelf/* "$bin/";; esac; }
$2
END
    chmod +x "$bin/$1"
}

# shelf [MESON_VERSION]: what an install puts there.
shelf() {
    mkdir -p "$here/shelf"
    real=$bin
    bin=$here/shelf
    impostor cc 'cat >/dev/null'
    impostor meson "case \$1 in
--version) echo ${1-1.0.1} ;;
setup) for word; do folder=\$last; last=\$word; done; touch \"\$folder/build.ninja\"; echo '../meson.build:1: WARNING: no SLEEF: left out are x' ;;
esac"
    impostor ninja 'mkdir -p "$2/harness"; printf "#!/bin/sh\n[ \"\$1\" = --list-subcommands ] && exec cat \"\$0.names\"\necho program \"\$*\"\n" >"$2/harness/attnzoo"; for n in bench list regress report selftest; do printf "$n\t\n"; done >"$2/harness/attnzoo.names"; chmod +x "$2/harness/attnzoo"'
    impostor pkg-config 'exit 0'
    impostor hyperfine ''
    bin=$real
}

# zoo ARGUMENT...: from a foreign folder; leaves $status, $out and $err.
zoo() {
    status=0
    (cd / && PATH=$bin CC='' "$bin/sh" "$tree/zoo" "$@") >"$work/out" 2>"$work/err" </dev/null || status=$?
    out=$(cat "$work/out") err=$(cat "$work/err")
}

# holds WHAT PREDICATE...: of the last run, counted.
holds() {
    what=$1
    shift
    checks=$((checks + 1))
    "$@" || { fail "$what (status $status; called were:)"; cat "$calls" >&2; }
}
within() { case $1 in *"$2"*) return 0 ;; esac; return 1; }
absent() { ! within "$@"; }
called() { within "$(cat "$calls")" "$1"; }
nothing_called() { ! [ -s "$calls" ]; }

world help apt-get
zoo
holds 'no argument: help, and nothing is set up' [ "$status" = 0 ]
holds 'help names the commands' within "$out" './zoo bench'
holds 'help calls nothing' nothing_called
zoo help test
holds 'help of what only zoo knows is here' within "$out" './zoo test [NAMES]'
holds 'help of what only zoo knows calls nothing' nothing_called

world apt apt-get
shelf
zoo bench 'two words'
holds 'apt: installs, builds, runs' [ "$status" = 0 ]
holds 'apt: what is installed is said first' within "$err" 'zoo: installing with apt-get: gcc libc6-dev meson ninja-build pkg-config libjansson-dev libsleef-dev libhwloc-dev hyperfine'
holds 'apt: no prompts' called 'install -y --no-install-recommends gcc libc6-dev meson'
holds 'apt: what the build leaves out is told' within "$err" 'note: no SLEEF: left out are x'
holds 'the program gets its arguments and results/ of the tree' [ "$out" = "program --results $tree/results bench two words" ]
zoo help bench
holds 'help of a subcommand is the program'"'"'s' [ "$out" = "program --results $tree/results help bench" ]
zoo tset
holds 'an unknown word: says what zoo knows besides' within "$err" 'test, peers'
zoo bench --results here
holds 'records go where the arguments say' [ "$out" = "program bench --results here" ]
zoo bench -k 'x y' --no-results
holds 'or nowhere' [ "$out" = "program bench -k x y --no-results" ]
holds 'bench does not ask for Criterion' absent "$(cat "$calls")" criterion
: >"$calls"
zoo list
holds 'second run: only ninja is called' [ "$(cat "$calls")" = "ninja -C $tree/build harness/attnzoo" ]
holds 'second run: silent' [ -z "$err" ]
zoo test one
holds 'test: sets up the tests' called '-Dtests=enabled'
holds 'test: hands on the names' [ "$out" = "tests of $tree/build one" ]
: >"$calls"
zoo test
holds 'second test: only ninja is called' [ "$(cat "$calls")" = "ninja -C $tree/build" ]
ln -s "a tree/zoo" "$here/link"
status=0
out=$(PATH=$bin "$bin/sh" "$here/link" list 2>"$work/err") || status=$?
holds 'a link to zoo works like zoo' [ "$out" = "program --results $tree/results list" ]
mv "$tree" "$here/moved tree"
tree="$here/moved tree"
zoo list
holds 'a tree that moved is configured afresh' called "meson setup -Dprogram=enabled -Dtests=disabled $tree/build"

world report apt-get
shelf
impostor python3 'exit 1'
sed -i 's|/usr/bin/python3|no/python3|' "$tree/zoo"
zoo report page.jsonl
holds 'report: installs what draws it' called 'install -y --no-install-recommends python3-matplotlib python3-jinja2'
holds 'report: runs all the same where that did not help' [ "$out" = "program --results $tree/results report page.jsonl" ]
: >"$calls"
zoo report -o md
holds 'report as Markdown asks for nothing' absent "$(cat "$calls")" apt-get
impostor python3 ''
zoo report
holds 'report: nothing is installed where all is there' absent "$(cat "$calls")" apt-get
: >"$calls"
zoo report
holds 'report: looked for once' absent "$(cat "$calls")" python3

world whole apt-get
shelf
cp "$here"/shelf/* "$bin/"
zoo test
holds 'all there: nothing is installed' absent "$(cat "$calls")" 'apt-get'

world peers apt-get
shelf
zoo peers --suite small
holds 'peers without python3: says so, sets nothing up' within "$err" 'peers needs python3, which is not installed'
holds 'peers without python3: 4' [ "$status" = 4 ]
holds 'peers without python3: nothing is called' nothing_called
impostor python3 'echo "driver $*"'
zoo peers --suite small
holds 'peers: builds the program and hands on to the driver' [ "$out" = \
    "driver $tree/harness/serve/peers/peers.py --attnzoo $tree/build/harness/attnzoo --results $tree/results --suite small" ]

world dnf dnf
shelf
zoo test
holds 'dnf' called 'dnf install -y --setopt=install_weak_deps=False gcc meson ninja-build pkgconf-pkg-config pkgconfig(jansson) pkgconfig(criterion) pkgconfig(sleef)'
world pacman pacman
shelf
zoo test
holds 'pacman' called 'pacman -S --needed --noconfirm gcc meson ninja pkgconf jansson criterion sleef hwloc hyperfine'
world brew brew
shelf
cp "$here/shelf/cc" "$bin/"
zoo test
holds 'brew' called 'brew install meson ninja pkgconf jansson criterion sleef hwloc hyperfine'
world xcode brew
shelf
zoo bench
holds 'brew without a compiler: says how to get one' within "$err" 'xcode-select --install'
holds 'brew without a compiler: 4' [ "$status" = 4 ]

world sudo apt-get
shelf
impostor id 'echo 1000'
impostor sudo 'shift; exec "$@"'
zoo bench
holds 'not root: sudo, which may not ask where there is no terminal' called 'sudo -n env DEBIAN_FRONTEND=noninteractive apt-get'
holds 'not root: runs' [ "$status" = 0 ]
world nosudo apt-get
impostor id 'echo 1000'
zoo bench
holds 'neither root nor sudo: says what root should type' within "$err" 'sudo is not installed. As root: apt-get install gcc libc6-dev meson'
holds 'neither root nor sudo: 4' [ "$status" = 4 ]
holds 'neither root nor sudo: nothing is tried' [ "$(sort -u "$calls")" = 'id -u' ]

world offline apt-get
impostor apt-get 'echo "E: Could not resolve host"; exit 100'
zoo bench
holds 'no network: shows what apt said' within "$err" 'E: Could not resolve host'
holds 'no network: says what is missing' within "$err" 'still missing: gcc libc6-dev meson ninja-build pkg-config libjansson-dev (no network'
holds 'no network: 4' [ "$status" = 4 ]

world partial apt-get
shelf
impostor apt-get 'case "$*" in *hyperfine*) echo "E: Unable to locate package hyperfine"; exit 100;; esac; install_all "$@"; rm -f '"'$bin/hyperfine'"
zoo bench
holds 'an unknown extra package does not keep the rest away' [ "$status" = 0 ]
holds 'an unknown extra package is named' within "$err" 'going on without hyperfine'

world alien
zoo bench
holds 'unknown system: names what to install' within "$err" 'found none of apt, dnf, pacman and brew'
holds 'unknown system: 4' [ "$status" = 4 ]

world old apt-get
shelf 0.61.2
impostor python3 'case $* in *"-m venv"*) for d; do :; done; mkdir -p "$d/bin"; cp '"'$here/new'"' "$d/bin/pip"; cp '"'$here/new'"' "$d/bin/meson";; esac'
sed 's/0\.61\.2/1.9.0/' "$here/shelf/meson" >"$here/new"
chmod +x "$here/new"
zoo bench
holds 'an old Meson: a newer one comes from pip' within "$err" 'Meson 0.61.2 is too old'
holds 'an old Meson: runs' [ "$status" = 0 ]

world broken apt-get
shelf
cp "$here"/shelf/* "$bin/"
impostor ninja 'echo "kernel.c:1: error: this compiler is having a day"; exit 1'
zoo list
holds 'a failed build: shows the end of the log' within "$err" 'having a day'
holds 'a failed build: 4' [ "$status" = 4 ]
holds 'a failed build: looked at afresh next time' [ ! -e "$tree/build/.zoo-program" ]
# A signal for zoo alone, while it builds: what builds gets it, nothing is left behind, and the exit code is 128 + the signal.
for signal in 'INT 130' 'TERM 143' 'HUP 129'; do
    code=${signal#* } signal=${signal% *}
    world "signal $signal" apt-get
    shelf
    cp "$here"/shelf/* "$bin/"
    ln -s "$(command -v sleep)" "$bin/sleep"
    impostor ninja "trap 'echo \"ninja got TERM\" >>\"$calls\"; exit 1' TERM; : >\"$here/building\"; while :; do sleep 0.05; done"
    (cd / && PATH=$bin CC='' exec env --default-signal=INT "$bin/sh" "$tree/zoo" list >"$work/out" 2>"$work/err" </dev/null) &
    pid=$!
    while [ ! -e "$here/building" ]; do sleep 0.05; done
    kill -s "$signal" $pid
    status=0
    wait $pid || status=$?
    out=$(cat "$work/out") err=$(cat "$work/err")
    holds "SIG$signal while it builds: $code" [ "$status" = "$code" ]
    holds "SIG$signal while it builds: handed on" called 'ninja got TERM'
    holds "SIG$signal while it builds: said" within "$err" "zoo: stopped by SIG$signal"
done

# A git that knows the commits abc (forked from main) and old, which has no pack.
world regress apt-get
shelf
impostor ninja 'mkdir -p "$2/harness"; printf "#!/bin/sh\n[ \"\$1\" = --list-subcommands ] && exec cat \"\$0.names\"\necho program \"\$*\"\n" >"$2/harness/attnzoo"; for n in bench list regress report selftest; do printf "$n\t\n"; done >"$2/harness/attnzoo.names"; chmod +x "$2/harness/attnzoo"; : >"$2/harness/attnzoo_pack.so"'
cp "$bin/ninja" "$here/shelf/ninja"
impostor git 'shift 2
case "$*" in
    *"rev-parse"*HEAD) echo fff ;;
    *"rev-parse"*main^*) case $* in *origin*) exit 1 ;; *) echo abc ;; esac ;;
    *"rev-parse"*abc^* | *"merge-base HEAD main") echo abc ;;
    *"rev-parse"*old^*) echo old ;;
    *"rev-parse"*flat^*) echo flat ;;
    *"rev-parse"*) exit 1 ;;
    *"worktree add"*) mkdir -p "$5/harness/regress"; case $6 in abc) : >"$5/harness/regress/pack_export.c" ;; flat) : >"$5/harness/pack_export.c" ;; esac ;;
esac'
zoo regress -k 'flash_*' -q
holds 'regress: builds both packs and hands on' [ "$status" = 0 ]
holds 'regress: the fork point is the base, the working tree the head' within "$out" "program --results $tree/results regress --base $tree/build-regress/abc-"
holds 'regress: the rest of the arguments follow' within "$out" "--head $tree/build/harness/attnzoo_pack.so -k flash_* -q"
holds 'regress: the pack of the tree is built' called "ninja -C $tree/build harness/attnzoo harness/attnzoo_pack.so"
holds 'regress: the base is built without tests' called '-Dtests=disabled'
holds 'regress: the checked out commit goes away again' called 'worktree remove --force'
: >"$calls"
zoo regress abc
holds 'regress: the pack of a commit is built once' absent "$(cat "$calls")" 'worktree add'
holds 'regress: a commit may be named' within "$out" "regress --base $tree/build-regress/abc-"
zoo regress flat
holds 'regress: a commit from before the harness had folders' within "$out" "regress --base $tree/build-regress/flat-"
zoo regress old
holds 'regress: a commit without packs: 4' [ "$status" = 4 ]
holds 'regress: a commit without packs: why' within "$err" 'commit old has no kernel pack'
: >"$calls"
zoo regress nonsense
holds 'regress: no such commit: said before anything is built' absent "$(cat "$calls")" ninja
holds 'regress: no such commit: 4' [ "$status" = 4 ]
holds 'regress: no such commit: why' within "$err" "there is no commit 'nonsense'"
zoo regress --base a.so --head b.so
holds 'regress: packs may be given' [ "$out" = "program --results $tree/results regress --base a.so --head b.so" ]
zoo selftest --quick
holds 'selftest has the pack that it measures with' called "ninja -C $tree/build harness/attnzoo harness/attnzoo_pack.so"
zoo regress --help
holds 'regress: help builds no base' [ "$out" = "program --results $tree/results regress --help" ]
finish
