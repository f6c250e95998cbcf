package complete

import (
	"fmt"
	"strings"
)

// Script is what a shell reads so that it completes a program's command lines.
func Script(shell, prog string) (string, error) {
	text, ok := map[string]string{"bash": bash, "zsh": zsh, "fish": fish}[shell]
	if !ok {
		return "", fmt.Errorf("no completion for %q; there are bash, zsh and fish", shell)
	}
	return strings.NewReplacer("PROG", prog, "ASK", Ask).Replace(text), nil
}

// Of names of files bash completes by itself what has a ~ in front, as readline
// does without us. It is 3.2 on macOS, which has no compopt.
const bash = `# bash completion for PROG: source <(PROG completion bash)
_PROG() {
    local line kind='' piece='' file pattern
    local program=${COMP_WORDS[0]}
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ -z $kind ]]; then
            kind=${line%%$'\t'*} piece=${line#*$'\t'}
        else
            COMPREPLY+=("${line%%$'\t'*}")
        fi
    done < <("${program/#\~/$HOME}" ASK bash "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    if [[ $kind == - ]]; then
        type compopt &>/dev/null && compopt +o default
        if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[,=] ]]; then
            type compopt &>/dev/null && compopt -o nospace
        fi
    elif [[ -n $kind && $kind != files && $piece != '~'* ]]; then
        while IFS= read -r file; do
            if [[ -d $file ]]; then
                COMPREPLY+=("$file")
                continue
            fi
            [[ $kind == folders ]] && continue
            for pattern in ${kind// /$'\n'}; do
                [[ $file == *"${pattern#\*}" ]] && COMPREPLY+=("$file")
            done
        done < <(compgen -f -- "$piece")
        type compopt &>/dev/null && compopt -o filenames
    fi
}
complete -o default -F _PROG PROG
`

const zsh = `#compdef PROG
# zsh completion for PROG: source <(PROG completion zsh), behind compinit
_PROG() {
    local -a lines described
    local line kind piece
    lines=("${(@f)$(${(Q)words[1]} ASK zsh "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    kind=${lines[1]%%$'\t'*}
    [[ $PREFIX == --*=* ]] && compset -P '--*='
    for line in "${(@)lines[2,-1]}"; do
        [[ -n $line ]] && described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    (( $#described )) && _describe PROG described
    case $kind in
        files) _files ;;
        folders) _files -/ ;;
        \*.*) _files -g "(${kind// /|})" ;;
    esac
}
compdef _PROG PROG
[[ $funcstack[1] == _PROG ]] && _PROG "$@"
`

const fish = `# fish completion for PROG: PROG completion fish > ~/.config/fish/completions/PROG.fish
function __PROG_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l lines ($words[1] ASK fish $words[2..-1] "$word" 2>/dev/null)
    test (count $lines) -gt 0; or return
    set -l kind (string split -m 1 \t -- $lines[1])[1]
    if test (count $lines) -gt 1
        printf '%s\n' $lines[2..-1]
    end
    set -l before (string match -r -- '^--[^=]*=' "$word")
    set -l piece (string replace -r -- '^--[^=]*=' '' "$word")
    switch $kind
        case files
            for file in (__fish_complete_path "$piece")
                echo "$before$file"
            end
        case folders
            for file in (__fish_complete_directories "$piece")
                echo "$before$file"
            end
        case '\*.*'
            for file in (__fish_complete_path "$piece")
                set -l name (string split -m 1 \t -- $file)[1]
                if string match -qr -- '/$|\.beton$|\.json$' "$name"
                    echo "$before$name"
                end
            end
    end
end
complete -c PROG -f -a '(__PROG_complete)'
`
