# usage: zsh -f complete.zsh FOLDER LINE
# Types LINE and a TAB into an interactive zsh with the completions of FOLDER, and prints what it would offer.
emulate -R zsh
zmodload zsh/zpty
offered=$(mktemp)
zpty child zsh -f -i
# The child's own compadd writes down what matches; END tells that the completion has ended.
zpty -w child "PS1= ; stty -echo; unsetopt zle_bracketed_paste 2>/dev/null
fpath=($1 \$fpath); autoload -Uz compinit; compinit -D -u
zstyle ':completion:*' menu no; LISTMAX=0; bindkey '^I' complete-word
compadd() {
    local -a hits; local option
    for option in \"\$@\"; do
        [[ \$option == (-|--) ]] && break
        [[ \$option == -[a-zA-Z]#[OAD] ]] && { builtin compadd \"\$@\"; return }
    done
    builtin compadd -O hits \"\$@\"
    (( \$#hits )) && print -rl -- \$hits >>$offered
    builtin compadd \"\$@\"
}
finish() { print END >>$offered; }
comppostfuncs=(finish); print READY >>$offered"
until_written() {
    integer tries
    for ((tries = 0; tries < 400; ++tries)); do
        zpty -rt child seen 2>/dev/null
        grep -qx "$1" $offered && return
        zselect -t 5
    done
    print -u2 "zsh wrote no $1 within 20 s"
    exit 1
}
zmodload zsh/zselect
until_written READY
: >$offered
zpty -w -n child "$2"$'\t'
until_written END
zpty -d child
grep -vx END $offered
rm -f $offered
