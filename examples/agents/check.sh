#!/bin/sh
# An agent as a shell script: what it emits is told, what it prints is log text.
set -eu

gradent emit tool.started count --id 1 --title "Count what is written"
words=$(wc -w < "${1:-essay.md}" | tr -d ' ')
gradent emit tool.completed count --id 1 --result "$words words"
gradent emit run.completed --summary "The essay has $words words"
