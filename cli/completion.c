/* SPDX-License-Identifier: Apache-2.0 */
/* completion, complete. The scripts know nothing of kvctl's commands: they ask kvctl complete. */
#include "cli/complete.h"
#include "cli/output.h"

static const char bash[] = "# bash completion for kvctl, which tells itself what may stand at the cursor.\n"
			   "_kvctl()\n"
			   "{\n"
			   "\tlocal cur=${COMP_WORDS[COMP_CWORD]} joined= word help i\n"
			   "\tlocal -a words=()\n"
			   "\t# bash cuts words at colons and equal signs as well.\n"
			   "\tfor ((i = 1; i <= COMP_CWORD; i++)); do\n"
			   "\t\tword=${COMP_WORDS[i]//[\\\\\\'\\\"]/}\n"
			   "\t\tif [[ ${#words[@]} -gt 0 && ($word == [:=]* || -n $joined) ]]; then\n"
			   "\t\t\twords[-1]+=$word\n"
			   "\t\telse\n"
			   "\t\t\twords+=(\"$word\")\n"
			   "\t\tfi\n"
			   "\t\tjoined=\n"
			   "\t\t[[ $word != *[:=] ]] || joined=yes\n"
			   "\tdone\n"
			   "\t# Only what follows the last of them is replaced.\n"
			   "\t[[ $cur != [:=]* ]] || cur=\n"
			   "\tcur=${cur//[\\\\\\'\\\"]/}\n"
			   "\tlocal before=${words[-1]%\"$cur\"}\n"
			   "\tCOMPREPLY=()\n"
			   "\twhile IFS=$'\\t' read -r word help; do\n"
			   "\t\tif [[ $word == :files ]]; then\n"
			   "\t\t\tcompopt -o filenames 2>/dev/null\n"
			   "\t\t\tmapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$cur\")\n"
			   "\t\t\tcontinue\n"
			   "\t\tfi\n"
			   "\t\t[[ $word != *= ]] || compopt -o nospace 2>/dev/null\n"
			   "\t\tprintf -v word %q \"${word#\"$before\"}\"\n"
			   "\t\tCOMPREPLY+=(\"$word\")\n"
			   "\tdone < <(\"$1\" complete -- \"${words[@]}\" 2>/dev/null)\n"
			   "}\n"
			   "complete -F _kvctl kvctl\n";

static const char zsh[] = "#compdef kvctl\n"
			  "# zsh completion for kvctl, which tells itself what may stand at the cursor.\n"
			  "_kvctl()\n"
			  "{\n"
			  "\tlocal -a found\n"
			  "\tlocal word help\n"
			  "\tlocal -a typed=(\"${(@Q)words[2,CURRENT-1]}\" \"${(Q)PREFIX}\")\n"
			  "\twhile IFS=$'\\t' read -r word help; do\n"
			  "\t\tif [[ $word == :files ]]; then\n"
			  "\t\t\t_files\n"
			  "\t\telse\n"
			  "\t\t\tfound+=(\"${word//:/\\\\:}${help:+:$help}\")\n"
			  "\t\tfi\n"
			  "\tdone < <(${words[1]} complete -- \"${typed[@]}\" 2>/dev/null)\n"
			  "\t(( ${#found} == 0 )) || _describe -V kvctl found\n"
			  "}\n"
			  "if [[ $funcstack[1] == _kvctl ]]; then\n"
			  "\t_kvctl \"$@\"\n"
			  "else\n"
			  "\tcompdef _kvctl kvctl\n"
			  "fi\n";

static const char fish[] = "# fish completion for kvctl, which tells itself what may stand at the cursor.\n"
			   "function __kvctl_complete\n"
			   "\tset -l typed (commandline -opc) (commandline -ct)\n"
			   "\t$typed[1] complete -- $typed[2..-1] 2>/dev/null | while read -l line\n"
			   "\t\tif test \"$line\" = :files\n"
			   "\t\t\t__fish_complete_path (commandline -ct)\n"
			   "\t\telse\n"
			   "\t\t\techo $line\n"
			   "\t\tend\n"
			   "\tend\n"
			   "end\n"
			   "complete -c kvctl -f -a '(__kvctl_complete)'\n";

int cmd_completion(struct ctl *ctl)
{
	static const struct {
		const char *shell, *script;
	} scripts[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		if (strcmp(ctl->operands[0], scripts[i].shell) == 0) {
			output_bytes(slice_str(scripts[i].script));
			return 0;
		}
	}
	return ctl_usage(ctl, "\"%s\" is no shell it knows; there are: bash, zsh, fish", ctl->operands[0]);
}

int cmd_complete(struct ctl *ctl)
{
	struct args base;
	char *nothing[] = {(char *)"", NULL};
	bool none = ctl->operand_count == 0;
	args_init(&base);
	CLEANUP(completions_release) struct completions found;
	complete_words(&found, &base, NULL, none ? 1 : ctl->operand_count, none ? nothing : ctl->operands);
	for (size_t i = 0; i < found.count; i++) {
		output_bytes(slice_str(found.list[i].text));
		if (*found.list[i].help)
			printf("\t%s", found.list[i].help);
		putchar('\n');
	}
	if (found.files)
		puts(":files");
	return 0;
}
