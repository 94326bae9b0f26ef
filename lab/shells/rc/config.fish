# lab shell: fish reads this after the user's own configuration.
@VARIABLES@
set -l __lab_tools (string split : -- @TOOLS@)
if not string match --quiet -- (string join : -- $__lab_tools)'*' (string join : -- $PATH)
    set -gx PATH $__lab_tools $PATH
end

# Marks for the stage: a prompt, the start of a command, its end with its status.
set -g __lab_marks @MARKS@
function __lab_starts --on-event fish_preexec
    test -n "$__lab_marks"; and printf '\e]133;C;aid=%s\a' $__lab_marks
end
function __lab_ended --on-event fish_postexec
    set -l last $status
    test -n "$__lab_marks"; and printf '\e]133;D;%s;aid=%s\a' $last $__lab_marks
end

functions --copy fish_prompt __lab_user_prompt
function fish_prompt
    set -l last $status
    test -n "$__lab_marks"; and printf '\e]133;A;aid=%s;c=1;cwd=%s\a' $__lab_marks $PWD
    test -n "@HEX@"; and set_color --bold @HEX@
    printf '(%s) ' @CLUSTER@
    test -n "@HEX@"; and set_color normal
    __lab_status $last
    __lab_user_prompt
end
function __lab_status
    return $argv[1]
end

kubectl completion fish 2>/dev/null | source
