/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <stdlib.h>

#include "cli/interrupt.h"
#include "cli/run.h"

int main(int argc, char **argv)
{
	interrupt_init();
	setlocale(LC_CTYPE, "");
	if (MB_CUR_MAX == 1)
		setlocale(LC_CTYPE, "C.UTF-8"); /* so that tables show text of any language */
	struct args base;
	args_init(&base);
	return run_line(&base, NULL, argc, argv);
}
