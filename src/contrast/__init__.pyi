from contrast.compare import Comparison as Comparison
from contrast.doors import run as run
from contrast.errors import ContrastError as ContrastError
from contrast.errors import InputError as InputError
from contrast.errors import RunFailed as RunFailed
from contrast.planned import Arm as Arm
from contrast.recipe import Recipe as Recipe
from contrast.results import Results as Results
from contrast.results import load as load
from contrast.study import Study as Study

__version__: str
